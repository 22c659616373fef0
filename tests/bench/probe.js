// What the probe costs: frames a second of the stage's heaviest preset, with the probe and without, in turns.
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import WebSocket from 'ws';
import { FLAGS, QUIET, display } from './page.js';
import { median, medianInterval, table } from './stats.js';

const { values: options } = parseArgs({
  options: {
    base: { type: 'string' },
    chromium: { type: 'string' },
    chromedriver: { type: 'string' },
    geckodriver: { type: 'string' },
    pairs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    browser: { type: 'string', multiple: true },
    out: { type: 'string' },
    'no-armed': { type: 'boolean' },
  },
});
const pairs = Number(options.pairs);
const seconds = Number(options.seconds);
const browsers = options.browser ?? ['chromium', 'firefox'];
// plain: no probe, and nothing subscribed to. idle: the probe as it is before the first step that expects a picture.
// armed: as it is from then on, which costs more: four reads a second, and sixty frames in a row after an input.
const MODES = options['no-armed'] ? ['plain', 'idle'] : ['plain', 'idle', 'armed'];
const SETTLE = 2000;

/** The very script Soundcheck installs, put together from its sources as src/browser/probe.rs does. */
function probe() {
  const folder = join(dirname(fileURLToPath(import.meta.url)), '../../src/browser');
  const read = (name) => readFileSync(join(folder, name), 'utf8');
  const words = (text, pattern) => [...text.matchAll(pattern)].map((found) => found[1]);
  const [core, ...rest] = words(read('probe.rs'), /include_str!\("(.+?)"\)/g).map(read);
  const parts = rest.map((file) => `(\n${file}\n)(sc);\n`).join('');
  const [, list] = /SUBSCRIBED: &\[&str\] = &\[(.+?)\]/s.exec(read('notice.rs'));
  return { script: `(channel) => {\nconst sc = (\n${core}\n)(channel);\n${parts}}`, events: words(list, /"(.+?)"/g) };
}

const ending = [];
const work = mkdtempSync(join(tmpdir(), 'bench-'));

/** A browser of its own, spoken to through BiDi. */
class Session {
  static async open(kind, screen, withProbe) {
    const self = new Session();
    const home = mkdtempSync(join(work, `${kind}-`));
    const [program, args, mark] = kind === 'chromium'
      ? [options.chromedriver, ['--port=0'], /started successfully on port (\d+)/]
      : [
        options.geckodriver,
        ['--port', '0', '--websocket-port', '0', '--profile-root', home],
        /Listening on 127.0.0.1:(\d+)/,
      ];
    const env = { ...process.env, ...QUIET, DISPLAY: screen, HOME: home, MOZ_CRASHREPORTER_DISABLE: '1' };
    // A group of its own, so that its end is the end of its browser too.
    const driver = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    ending.push(() => process.kill(-driver.pid, 'SIGKILL'));
    const port = await new Promise((resolve, reject) => {
      let text = '';
      driver.on('error', reject).on('exit', () => reject(new Error(`${program} ended`)));
      driver.stdout.on('data', (data) => {
        text += data;
        const found = mark.exec(text);
        if (found) resolve(found[1]);
      });
    });
    const vendor = kind === 'chromium'
      ? { browserName: 'chrome', 'goog:chromeOptions': { binary: options.chromium, args: FLAGS } }
      : { browserName: 'firefox', 'moz:firefoxOptions': { args: ['-width', '1280', '-height', '800'] } };
    const answer = await fetch(`http://127.0.0.1:${port}/session`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ capabilities: { alwaysMatch: { ...vendor, webSocketUrl: true } } }),
    });
    const { value } = await answer.json();
    if (!value.sessionId) throw new Error(`${kind}: ${value.message}`);
    ending.push(() => fetch(`http://127.0.0.1:${port}/session/${value.sessionId}`, { method: 'DELETE' }));
    self.version = `${kind} ${value.capabilities.browserVersion}`;
    self.socket = new WebSocket(value.capabilities.webSocketUrl, { perMessageDeflate: false });
    self.waiting = new Map();
    self.messages = 0;
    self.id = 0;
    self.socket.on('message', (data) => {
      const message = JSON.parse(data);
      if (message.method === 'script.message') self.messages += 1;
      self.waiting.get(message.id)?.(message);
      self.waiting.delete(message.id);
    });
    await new Promise((resolve, reject) => self.socket.on('open', resolve).on('error', reject));
    self.context = (await self.ask('browsingContext.getTree', {})).contexts[0].context;
    if (withProbe) {
      const { script, events } = probe();
      const channel = { type: 'channel', value: { channel: 'soundcheck', ownership: 'none' } };
      await self.ask('session.subscribe', { events });
      await self.ask('script.addPreloadScript', { functionDeclaration: script, arguments: [channel] });
    }
    return self;
  }

  ask(method, params) {
    const id = ++this.id;
    this.socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => {
      this.waiting.set(id, (m) => (m.type === 'error' ? reject(new Error(`${method}: ${m.message}`)) : resolve(m.result)));
    });
  }

  go(url) {
    return this.ask('browsingContext.navigate', { context: this.context, url, wait: 'complete' });
  }

  async run(expression) {
    const target = { context: this.context };
    const { result, exceptionDetails } = await this.ask('script.evaluate', { expression, target, awaitPromise: true });
    if (!result) throw new Error(exceptionDetails.text);
    return result.value;
  }
}

const HEAVY = `(() => {
  const list = document.querySelector('select[name=preset]');
  list.value = 'heavy';
  list.dispatchEvent(new Event('change'));
  return document.querySelector('#preset').dataset.presetId;
})()`;
const PROBED = "String(!!window[Symbol.for('soundcheck')])";
const ARM = "window[Symbol.for('soundcheck')].arm('bench', { before: 60 })";
const RENDERER = `(() => {
  const gl = document.createElement('canvas').getContext('webgl');
  return gl.getParameter(gl.getExtension('WEBGL_debug_renderer_info')?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER);
})()`;
/** Frames a second, counted by animation frames and nothing else: a whole number of them over their own time. */
const count = (ms) => `new Promise((resolve) => {
  let first = null, frames = 0;
  const frame = (now) => {
    if (first === null) first = now;
    else frames += 1;
    if (now - first >= ${ms}) resolve(String(frames * 1000 / (now - first)));
    else requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})`;

/** One window in a fresh page; the other browser shows nothing meanwhile. */
async function windowOf(session, mode) {
  await session.go(`${options.base}/player`);
  if ((await session.run(PROBED)) !== String(mode !== 'plain')) throw new Error(`${mode}: the probe is not as it should be`);
  if ((await session.run(HEAVY)) !== 'heavy') throw new Error('the heavy preset did not come');
  await sleep(SETTLE);
  if (mode === 'armed') await session.run(ARM);
  const before = session.messages;
  const fps = Number(await session.run(count(seconds * 1000)));
  const pushes = session.messages - before;
  await session.go('about:blank');
  return { fps: Math.round(fps * 100) / 100, pushes };
}

function report(lines) {
  const rows = [['', 'pairs', 'without', 'with', 'ratio (median)', '95 % interval', 'min..max']];
  for (const browser of browsers) {
    for (const mode of ['idle', 'armed']) {
      const own = lines.filter((line) => line.browser === browser && line[mode] && line.seconds === seconds);
      if (!own.length) continue;
      const ratios = own.map((line) => line[mode].fps / line.plain.fps);
      const within = medianInterval(ratios);
      rows.push([
        `${browser}, ${mode}`, String(own.length), `${median(own.map((l) => l.plain.fps)).toFixed(1)} fps`,
        `${median(own.map((l) => l[mode].fps)).toFixed(1)} fps`, median(ratios).toFixed(3),
        within ? `${within.low.toFixed(3)}..${within.high.toFixed(3)}` : 'needs 6 pairs',
        `${Math.min(...ratios).toFixed(3)}..${Math.max(...ratios).toFixed(3)}`,
      ]);
    }
  }
  console.log(`\nthe heavy preset's frame rate, with the probe / without; interleaved ${seconds}-s windows; goal >= 0.98`);
  console.log(table(rows));
  const about = new Map(lines.map((line) => [line.browser, `${line.version}, ${line.renderer}`]));
  for (const text of about.values()) console.log(text);
  const loads = lines.map((line) => line.load);
  console.log(`load ${Math.min(...loads).toFixed(2)}..${Math.max(...loads).toFixed(2)}, median ${median(loads).toFixed(2)}`);
}

async function all() {
  if (options.out) mkdirSync(dirname(options.out), { recursive: true });
  const lines = options.out && existsSync(options.out)
    ? readFileSync(options.out, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];
  if (lines.length) console.log(`going on from ${lines.length} rounds in ${options.out}`);
  for (const browser of browsers) {
    const done = lines.filter((line) => line.browser === browser && line.seconds === seconds).length;
    if (done >= pairs) continue;
    const began = ending.length;
    // A screen each: of two windows on one screen the upper costs more to show, some 5 % of this preset's frames.
    const [one, other] = [await display(), await display()];
    ending.push(one.end, other.end);
    const plain = await Session.open(browser, one.name, false);
    const probed = await Session.open(browser, other.name, true);
    const renderer = await plain.run(RENDERER);
    // Not counted: the first page of a browser compiles and caches.
    for (const session of [plain, probed]) {
      await session.go(`${options.base}/player`);
      await session.go('about:blank');
    }
    for (let round = done; round < pairs; round += 1) {
      const line = { browser, seconds, version: plain.version, renderer, at: new Date().toISOString() };
      // Forwards and backwards in turn: whatever drifts falls out of the median.
      for (const mode of round % 2 ? [...MODES].reverse() : MODES) {
        line[mode] = await windowOf(mode === 'plain' ? plain : probed, mode);
      }
      line.load = loadavg()[0];
      lines.push(line);
      if (options.out) appendFileSync(options.out, `${JSON.stringify(line)}\n`);
      const said = MODES.map((mode) => `${mode} ${line[mode].fps.toFixed(2)} fps`).join(', ');
      console.log(`${browser} ${round + 1}/${pairs}: ${said}, load ${line.load.toFixed(2)}`);
    }
    await end(began);
  }
  report(lines.filter((line) => browsers.includes(line.browser)));
}

/** Ends what was begun since, the last first. */
async function end(since) {
  for (const work of ending.splice(since).reverse()) {
    try {
      await Promise.race([work(), sleep(5000)]);
    } catch {
      // gone already
    }
  }
}

async function stop(code) {
  await end(0);
  rmSync(work, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  process.exit(code);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(130));
// Also where nobody reads what is printed any more.
process.on('uncaughtException', (error) => {
  if (error.code !== 'EPIPE') console.error(`bench: ${error.stack}`);
  stop(1);
});
all().then(() => stop(0), (error) => {
  console.error(`bench: ${error.message}`);
  return stop(1);
});
