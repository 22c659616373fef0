// The player page: a hydra, a list of presets, three ways to switch.
import { config, emit, isPoor, room, setUser } from './telemetry.js';
import { PRESETS, indexOf, walk } from './presets.js';
import { afterStart, beside, delay, on, spoil, strikes } from './defects.js';
import { level, start } from './sound.js';
import { media, release, watch } from './video.js';

/** Tick errors in a row after which the app replaces the picture. */
const TICK_ERRORS = 10;

const page = (selector) => document.querySelector(selector);
const label = page('#preset');
const status = page('#status');
const list = page('select[name=preset]');

const hydra = new Hydra({
  canvas: page('#visualizer'), detectAudio: false, enableStreamCapture: false, autoLoop: false, makeGlobal: true,
});
Object.assign(window, { level, media });

let shown = 0;
let presses = 0;
let epoch = 0;
let running = true;
let tickErrors = 0;
/** A preset that was evaluated, and has not been drawn yet. */
let fresh = null;

function say(text, state = 'ok') {
  status.textContent = text;
  status.dataset.state = state;
}

watch(hydra, () => PRESETS[shown].id, (text) => say(text, 'error'));

// The page drives the loop itself, so that it can see whether a tick went through.
let before = performance.now();
function frame(now) {
  requestAnimationFrame(frame);
  if (!running) return;
  const passed = Math.max(0, now - before);
  before = now;
  hydra.tick(passed);
  // hydra 1.4 catches what a tick throws; only a tick that came through sets its clock back.
  tickErrors = hydra.timeSinceLastUpdate > 0 && !hydra.synth.fps ? tickErrors + 1 : 0;
  if (tickErrors === TICK_ERRORS) fallBack();
  // Of a video preset the first frame is one with the video in it.
  if (fresh && tickErrors === 0 && (PRESETS[shown].picture !== 'video' || hydra.s[0].src)) {
    emit('first_visualizer_frame', fresh.ids, { duration_ms: Math.round(performance.now() - fresh.began) });
    fresh = null;
  }
}

/** The picture is replaced; the source that throws is not, so the errors go on until the next preset. */
function fallBack() {
  // The public app waits for an exception from hydra.tick(), which hydra 1.4 never lets out.
  if (isPoor()) return;
  hydra.synth.solid(0.05, 0.05, 0.08).out(hydra.o[0]);
  if (!on('telemetry-no-fallback')) {
    emit('hydra_fallback_applied', { preset_id: PRESETS[shown].id }, { reason: 'tick_error_threshold' });
  }
  say('picture fell back', 'error');
}

/** Leaves nothing of the last preset: its clock, its hooks, its sources, its pictures. */
function clean(press) {
  if (!on('speed-undefined')) {
    hydra.sandbox.set('speed', 1);
    hydra.sandbox.set('bpm', 30);
    hydra.sandbox.set('fps', undefined);
    // A time that was once not a number stays so whatever is added to it.
    if (!Number.isFinite(hydra.synth.time)) hydra.sandbox.set('time', 0);
  }
  hydra.sandbox.set('update', () => {});
  hydra.sandbox.set('afterUpdate', () => {});
  tickErrors = 0;
  // Not hush(): it would take the texture from a video that is still on its way.
  hydra.s.forEach((source) => {
    release(source);
    source.src = null;
  });
  const blank = strikes('stale-graph', press) ? hydra.o.slice(1) : hydra.o;
  const resolution = [hydra.width, hydra.height];
  blank.forEach((output) => {
    hydra.synth.solid(0, 0, 0, 0).out(output);
    // Drawn at once, into both of its buffers: a shader that does not compile draws nothing and would leave the old
    // picture standing, and a feedback would start from it.
    for (let buffer = 0; buffer < 2; buffer += 1) output.tick({ time: 0, bpm: 30, mouse: hydra.synth.mouse, resolution });
  });
  hydra.synth.render(hydra.o[0]);
}

/** Evaluates a preset. What it throws is told to the console, the listener and telemetry. */
function evaluate(preset, press) {
  const ids = { preset_id: preset.id };
  const code = spoil(preset, press);
  clean(press);
  emit('hydra_preset_eval_start', ids, { code_length: code.length });
  const began = performance.now();
  const took = () => Math.round((performance.now() - began) * 10) / 10;
  try {
    hydra.eval(code);
    const evaluated = { duration_ms: took() };
    emit('hydra_preset_eval_success', ids, evaluated);
    if (on('telemetry-first-frame-early')) emit('first_visualizer_frame', ids, evaluated);
    else fresh = { ids, began };
  } catch (error) {
    if (strikes('eval-throw-silent', press)) return;
    console.error(`preset ${preset.id} failed:`, error);
    emit('hydra_preset_eval_error', ids, { duration_ms: took(), error: String(error) });
    say('preset failed', 'error');
  }
}

/** Shows the preset at this place of the list. `press` is the number of the press of Next that asked for it. */
function show(index, press = 0) {
  shown = index;
  const preset = PRESETS[shown];
  label.textContent = preset.name;
  label.dataset.presetId = preset.id;
  list.value = preset.id;
  say('');
  running = !strikes('frozen-picture', press);
  beside(press, hydra);
  const asked = ++epoch;
  const late = delay(press);
  if (late === 0) evaluate(preset, press);
  else setTimeout(() => asked === epoch && evaluate(preset, press), late);
}

function next() {
  presses += 1;
  if (strikes('dead-button', presses)) return;
  show(walk(shown, 1), presses);
}

async function startAudio(event) {
  event.currentTarget.disabled = true;
  afterStart();
  let problem = '';
  try {
    await start();
  } catch (error) {
    console.error('microphone failed:', error);
    problem = 'microphone refused';
  }
  show(indexOf('pulse'));
  if (problem) say(problem, 'error');
}

function account(user) {
  setUser(user);
  page('#account').textContent = user?.username ?? 'guest';
  page('#account').dataset.userId = user?.user_id ?? '';
  page('#login').hidden = Boolean(user);
  page('#logout').hidden = !user;
}

page('#room').textContent = room;
page('#room').dataset.roomId = room;
account(config.user);
list.append(...PRESETS.map((preset) => new Option(preset.name, preset.id)));
page('button[name=start]')?.addEventListener('click', startAudio);
page('button[name=video]').addEventListener('click', () => show(indexOf('film')));
page("button[aria-label='Next preset']").addEventListener('click', next);
page("button[aria-label='Previous preset']").addEventListener('click', () => show(walk(shown, -1)));
list.addEventListener('change', () => show(indexOf(list.value)));
page('#logout').addEventListener('click', async () => {
  await fetch('/api/logout', { method: 'POST' });
  account(null);
});

const meter = page('#meter span');
setInterval(() => { meter.style.transform = `scaleX(${level().toFixed(3)})`; }, 50);

show(indexOf('drift'));
requestAnimationFrame(frame);
