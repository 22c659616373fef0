// One smoke play: Soundcheck, Playwright and selenium-webdriver in turn, on the same browser, page and steps.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measure } from './measure.js';
import { median, table } from './stats.js';

const { values: options } = parseArgs({
  options: {
    soundcheck: { type: 'string' },
    base: { type: 'string' },
    chromium: { type: 'string' },
    chromedriver: { type: 'string' },
    rounds: { type: 'string', default: '3' },
  },
});
const here = dirname(fileURLToPath(import.meta.url));
const rounds = Number(options.rounds);
const work = mkdtempSync(join(tmpdir(), 'bench-'));
const plan = join(work, 'bench.toml');
writeFileSync(plan, `question = "How long does one smoke play take?"
app = "stage"
journeys = ["presets"]
browsers = ["chromium"]
judge = "refute"
`);

// One shader cache for all three, warmed in the warm-up. Left alone, the rivals' browsers would find the user's own, as warm
// as the machine's history made it, and Soundcheck's, which get a home of their own, none: that compares caches.
const CACHE = { MESA_SHADER_CACHE_DIR: join(work, 'shaders') };

const rival = (name) => ({
  argv: (out, facts) =>
    [process.execPath, join(here, `${name}.js`), options.base, options.chromium, out, ...(facts ? ['facts'] : [])],
  parts: (out) => JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')),
  shots: (out) => out,
});
const RUNNERS = {
  soundcheck: {
    // No retries: a play that broke and was played again would be a slow one here.
    argv: (out) => [options.soundcheck, 'run', plan, '--base', options.base, '--out', join(out, 'run'), '--retries', '0'],
    parts: (out) => fromEvents(join(out, 'run', 'events.jsonl')),
    shots: (out) => join(out, 'run', 'screenshots'),
  },
  playwright: rival('playwright'),
  selenium: rival('selenium'),
};
const NAMES = Object.keys(RUNNERS);

/** The same parts as the rivals tell, from the run's events. */
function fromEvents(path) {
  const events = readFileSync(path, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const one = (name) => events.find((event) => event.event === name);
  const end = one('journey_end');
  if (end.ending !== 'passed') throw new Error(`soundcheck: ${end.reason}`);
  const parts = { step: [], shot: [], up: one('journey_start').t_ms + end.start_up_ms };
  let ended = 0;
  for (const event of events) {
    if (event.event === 'step_end') {
      parts.step.push(event.step_ms);
      ended = event.t_ms;
    }
    if (event.event === 'screenshot') parts.shot.push(event.t_ms - ended);
  }
  const { renderer, window } = one('environment');
  return { ...parts, renderer, window };
}

async function one(name, facts) {
  const out = join(work, name);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
  const runner = RUNNERS[name];
  const figures = await measure(runner.argv(out, facts), { out, env: { ...CACHE, CHROMEDRIVER: options.chromedriver } });
  try {
    const parts = runner.parts(out);
    const shots = readdirSync(runner.shots(out)).filter((file) => file.endsWith('.png')).length;
    if (shots !== 12) throw new Error(`${name} took ${shots} screenshots, not 12`);
    return { ...figures, parts };
  } catch (error) {
    throw new Error(`${error.message}\n${readFileSync(join(out, 'stderr'), 'utf8')}`);
  }
}

const version = (program) => {
  const said = execFileSync(program, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return said.trim().split(' ').slice(0, 2).join(' ');
};
const packaged = (name) => JSON.parse(readFileSync(join(here, 'node_modules', name, 'package.json'), 'utf8')).version;

try {
  const load = [loadavg()[0]];
  // The warm-up is not counted: it fills the disk cache and says what each of them draws with.
  for (const name of NAMES) {
    const { parts } = await one(name, true);
    console.log(`warm-up ${name}: ${parts.renderer}, page ${parts.window}`);
  }
  const all = Object.fromEntries(NAMES.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let i = 0; i < NAMES.length; i += 1) {
      const name = NAMES[(round + i) % NAMES.length];
      all[name].push(await one(name, false));
    }
    load.push(loadavg()[0]);
    const walls = NAMES.map((name) => `${name} ${all[name].at(-1).wall.toFixed(2)} s`).join(', ');
    console.log(`round ${round + 1}/${rounds}: ${walls}, load ${load.at(-1).toFixed(2)}`);
  }

  const figure = (name, key, digits) => median(all[name].map((run) => run[key])).toFixed(digits);
  console.log(`\nmedians of ${rounds} rounds; CPU and memory are the runner's own, without browser, driver and X server`);
  console.log(table([
    ['', 'wall s', 'CPU s', 'peak MB'],
    ...NAMES.map((name) => [name, figure(name, 'wall', 2), figure(name, 'cpu', 2), figure(name, 'peak', 1)]),
  ]));
  const ratio = (key, other) => {
    // Of neighbours in time: what else the machine did meanwhile falls out of the ratio.
    const each = all.soundcheck.map((run, i) => run[key] / all[other][i][key]);
    return `${median(each).toFixed(2)} (${Math.min(...each).toFixed(2)}..${Math.max(...each).toFixed(2)})`;
  };
  console.log('\nratios within a round: median (min..max)');
  console.log(table([
    ['', 'wall', 'CPU', 'peak'],
    ...NAMES.slice(1).map((name) => [`soundcheck / ${name}`, ...['wall', 'cpu', 'peak'].map((key) => ratio(key, name))]),
    ['goal against playwright', '<= 1.00', '<= 0.25', '<= 0.25'],
  ]));

  const part = (name, take) => median(all[name].map((run) => take(run.parts))).toFixed(0);
  const sum = (list) => list.reduce((total, value) => total + value, 0);
  const spent = ({ up, step, shot }) => up + sum(step) + sum(shot);
  const rest = (name) => median(all[name].map((run) => run.wall * 1000 - spent(run.parts)));
  console.log('\nwhere the time goes, ms (a step: the action until the picture is believed; the sums of a play)');
  console.log(table([
    ['', 'start-up', 'open', 'start audio', '10 x next', '12 shots', 'rest'],
    ...NAMES.map((name) => [
      name, part(name, (p) => p.up), part(name, (p) => p.step[0]), part(name, (p) => p.step[1]),
      part(name, (p) => sum(p.step.slice(2))), part(name, (p) => sum(p.shot)), rest(name).toFixed(0),
    ]),
  ]));
  console.log(`\n${version(options.chromium)}; ${version(options.soundcheck)}; playwright-core ${packaged('playwright-core')}; ` +
    `selenium-webdriver ${packaged('selenium-webdriver')}; node ${process.version}; ` +
    `load ${Math.min(...load).toFixed(2)}..${Math.max(...load).toFixed(2)}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
