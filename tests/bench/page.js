// What the two rivals share: the browser's flags, the steps of journeys/presets.toml, and how they see a new picture.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const NEXT = "[aria-label='Next preset']";
export const START = 'button[name=start]';
export const SWITCHES = 10;
export const PATIENCE = 10_000;

/** The flags of src/browser/options.rs: the renderer, the window, the microphone, and no talk with the vendor. */
export const FLAGS = [
  '--disable-background-networking', '--no-first-run', '--no-default-browser-check', '--disable-component-update',
  '--disable-sync', '--disable-quic', '--disable-dev-shm-usage', '--password-store=basic',
  '--disable-features=Translate,MediaRouter,OptimizationHints', '--force-device-scale-factor=1',
  '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding', '--window-size=1280,800',
  '--use-gl=angle', '--use-angle=gl', '--ignore-gpu-blocklist',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
];

/** Keeps a browser from looking for a desktop: each search costs up to a second. Soundcheck sets the same. */
export const QUIET = { DBUS_SESSION_BUS_ADDRESS: 'disabled:', NO_AT_BRIDGE: '1', GTK_A11Y: 'none' };

/** An Xvfb of its own, as Soundcheck starts one for each run. */
export async function display() {
  const argv = ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp', '-noreset'];
  const xvfb = spawn('Xvfb', argv, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const number = await new Promise((resolve, reject) => {
    let text = '';
    xvfb.on('error', reject).on('exit', () => reject(new Error('Xvfb ended')));
    xvfb.stdio[3].on('data', (data) => {
      text += data;
      if (text.endsWith('\n')) resolve(text.trim());
    });
  });
  // Waited for: a server that is killed outright leaves its lock behind.
  const end = () => new Promise((resolve) => {
    xvfb.removeAllListeners('exit').on('exit', resolve);
    xvfb.kill();
  });
  return { name: `:${number}`, end };
}

/**
 * Runs in the page. Waits for another preset's id and then for a canvas that differs from `before` and is not black,
 * unless the preset is black by design. Gives the canvas as 16 x 9 grey values.
 *
 * It checks LESS than Soundcheck: not which shader programs drew the frame, not whether the picture moves or follows
 * the sound as declared, not whether a shader failed to compile meanwhile, not whether a video's frame reached the
 * texture. The canvas is read in an animation frame behind the page's own: at no other time does its drawing buffer
 * hold a picture.
 */
export async function newPicture(before, patience) {
  const small = document.createElement('canvas');
  [small.width, small.height] = [16, 9];
  const context = small.getContext('2d', { willReadFrequently: true });
  const frame = () => new Promise(requestAnimationFrame);
  const until = performance.now() + patience;
  while (performance.now() < until) {
    await frame();
    const id = document.querySelector('#preset').dataset.presetId;
    if (before && id === before.id) continue;
    context.drawImage(document.querySelector('#visualizer'), 0, 0, 16, 9);
    const { data } = context.getImageData(0, 0, 16, 9);
    const mean = (at) => Math.round((data[at] + data[at + 1] + data[at + 2]) / 3);
    const grey = Array.from({ length: 144 }, (_, i) => mean(i * 4));
    const black = grey.every((v) => v <= 6);
    const other = !before || grey.some((v, i) => Math.abs(v - before.grey[i]) > 4);
    if (other && (!black || id === 'void')) return { id, grey };
  }
  throw new Error(`no new picture in ${patience} ms`);
}

/** Runs in the page: what drew it, and how large it is. Only asked for in the warm-up. */
export function facts() {
  const gl = document.createElement('canvas').getContext('webgl');
  const { UNMASKED_RENDERER_WEBGL: renderer } = gl.getExtension('WEBGL_debug_renderer_info');
  return { renderer: gl.getParameter(renderer), window: `${innerWidth} x ${innerHeight}` };
}

/** Plays the journey with a rival's own hands, and tells how long each part took. */
export async function play({ open, click, wait, shot, ask }, out, wantFacts) {
  const parts = { step: [], shot: [] };
  let shots = 0;
  const timed = async (list, work) => {
    const begun = performance.now();
    const result = await work();
    list.push(performance.now() - begun);
    return result;
  };
  const take = () => timed(parts.shot, () => shot(join(out, `${++shots}.png`)));
  await timed(parts.step, open);
  await take();
  let seen = await wait(null);
  for (let n = 0; n <= SWITCHES; n += 1) {
    seen = await timed(parts.step, async () => {
      await click(n === 0 ? START : NEXT);
      return wait(seen);
    });
    await take();
  }
  const result = { ...parts, last: seen.id, shots };
  return wantFacts ? { ...result, ...(await ask()) } : result;
}

/** What speed.js reads. */
export function tell(out, result) {
  writeFileSync(join(out, 'result.json'), JSON.stringify(result));
}
