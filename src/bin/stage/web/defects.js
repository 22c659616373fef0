// The page's share of the defects. The table of all is in the server: soundcheck-stage --list-defects.
import { config } from './telemetry.js';
import { PRESETS, indexOf } from './presets.js';

/** The press of Next at which a defect strikes, unless its row says otherwise. */
const STRIKES_AT = 3;
const SLOW_MS = 3000;
const LEAK_BYTES = 2 << 20;

/** Whether a defect is switched on. */
export function on(name) {
  return config.defects.includes(name);
}

/** Whether a defect strikes at this press of Next. */
export function strikes(name, press) {
  return press === STRIKES_AT && on(name);
}

/** What a defect makes of a preset's code. */
const SPOILS = {
  'bad-glsl': () => `setFunction({ name: 'brokenGlass', type: 'src', inputs: [],
  glsl: 'return vec4(no_such_name, 0.0, 0.0, 1.0);' })
brokenGlass().out()`,
  'eval-throw': (code) => `glitterBall()\n${code}`,
  'eval-throw-silent': (code) => `glitterBall()\n${code}`,
  'missing-out': (code) => code.replace('.out()', ''),
  'tick-throw': (code) => `${code}\ns3.src = { get videoWidth() { throw new Error('the source went away') } }`,
  'speed-undefined': (code) => `${code}\nspeed = undefined`,
  'wrong-preset': () => PRESETS[indexOf('orbit')].code,
  'stale-graph': () => 'src(undefined).out()',
  'picture-nan': (code) => code.replace('.out()', '.color(() => 0 / 0, () => 0 / 0, () => 0 / 0).out()'),
  'black-preset': () => 'solid(0, 0, 0).out()',
};

/** The code a switch really runs. */
export function spoil(preset, press) {
  let code = preset.code;
  for (const [name, change] of Object.entries(SPOILS)) {
    if (strikes(name, press)) code = change(code);
  }
  if (preset.picture !== 'video') return code;
  if (on('video-hushed')) return `${code}\nhush()`;
  return on('video-bound-black') ? code.replace('src(s0)', 'solid(0, 0, 0)') : code;
}

/** How late a switch shows. */
export function delay(press) {
  return strikes('slow-preset', press) ? SLOW_MS : 0;
}

const kept = [];

/** What happens beside the switch itself. */
export function beside(press, hydra) {
  // Filled with a number other than zero: untouched pages cost no memory and would be no leak.
  if (on('leak')) kept.push(new Uint8Array(LEAK_BYTES).fill(1 + Math.floor(Math.random() * 255)));
  if (strikes('context-lost', press)) hydra.regl._gl.getExtension('WEBGL_lose_context')?.loseContext();
  // A string's letters are one array, and none may be that long: V8 ends the process, Firefox throws.
  if (strikes('tab-crash', press)) 'a'.repeat(2 ** 28).split('');
  if (strikes('tab-closes', press)) open('', '_self').close();
  if (strikes('busy-loop', press)) for (;;);
  if (strikes('dialog-loop', press)) for (;;) alert('Are you still there?');
  if (on('dialog-step')) prompt(`Preset ${confirm('Switch?')}?`);
  if (strikes('overlay', press)) {
    const layer = document.createElement('div');
    layer.style.cssText = 'position: fixed; inset: 0; z-index: 1000';
    document.body.append(layer);
  }
}

/** What happens some time after Start audio. */
export function afterStart() {
  if (on('exception')) setTimeout(() => { throw new Error('the equalizer has no bands'); }, 1000);
}

if (on('console-noise')) setInterval(() => console.error('could not save the play count'), 5000);
if (on('dialog-load')) prompt(`Name ${confirm('Cookies?')}?`, alert('Welcome'));
if (on('fetch-auth')) fetch('/api/private');
if (on('dialog-leave')) {
  addEventListener('beforeunload', (event) => {
    event.preventDefault();
    event.returnValue = 'stay';
  });
}
