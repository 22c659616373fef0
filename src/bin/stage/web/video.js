// Video sources: where a clip comes from, and what becomes of it.
import { config, emit, isPoor, room, session, urlHash } from './telemetry.js';
import { on } from './defects.js';
import { attend } from './reconnect.js';

/** `/player?policy=resume` or `live`: a video is attended to. Without it it is left to the browser, as most apps do. */
const POLICY = new URLSearchParams(location.search).get('policy');

/** How long a clip may take before the app says so. */
const PATIENCE_MS = 10_000;

/** The URL of a clip: same origin, or through the video proxy from the second origin. */
export function media(clip, via) {
  if (on('video-cors') || on('video-tainted')) return `${config.second_origin}/nocors/${clip}`;
  if (via !== 'proxy') return `/media/${clip}`;
  const query = new URLSearchParams({ url: `${config.second_origin}/media/${clip}`, session, room });
  return `${config.video_proxy}?${query}`;
}

/** What telemetry calls the clip's place: of a proxied one, the place behind the proxy. */
function origin(url) {
  const absolute = new URL(url, location.href);
  return absolute.pathname === config.video_proxy ? absolute.searchParams.get('url') : absolute.href;
}

/** Runs hydra's own initVideo and gives the element it makes, which it never attaches nor hands out. */
function made(init) {
  let element = null;
  document.createElement = function (...names) {
    const created = Document.prototype.createElement.apply(this, names);
    element ??= created instanceof HTMLVideoElement ? created : null;
    if (on('video-tainted') || on('video-redirects')) Object.defineProperty(created, 'crossOrigin', { set() {} });
    return created;
  };
  try {
    init();
  } finally {
    delete document.createElement;
  }
  return element;
}

/**
 * Teaches the sources of a hydra to tell what happens to their videos, which hydra itself never does.
 * `current()` is the id of the preset shown, `failed(text)` tells the listener.
 */
export function watch(hydra, current, failed) {
  hydra.s.forEach((source, number) => {
    const initVideo = source.initVideo.bind(source);
    source.initVideo = (url, params) => {
      release(source);
      const element = made(() => initVideo(url, params));
      source.stageVideo = element;
      follow(source, `s${number}`, element, url, current(), failed);
    };
  });
}

/** Stops a source's video for good, bound or still on its way, so that it neither decodes on nor binds late. */
export function release(source) {
  const element = source.stageVideo;
  if (!element) return;
  source.stageVideo = null;
  source.dynamic = true;
  source.stagePlayer?.leave();
  source.stagePlayer = null;
  element.pause();
  element.removeAttribute('src');
  element.load();
  source.clear();
}

/** Has a video that plays attended to, and said how it is. */
function keep(source, element) {
  const status = document.querySelector('#player-status');
  source.stagePlayer = attend(element, POLICY, (state, text) => {
    status.dataset.state = state;
    status.textContent = text;
  });
  source.stagePlayer.play();
}

function follow(source, key, element, url, preset, failed) {
  const began = performance.now();
  const since = () => Math.round(performance.now() - began);
  const hash = urlHash(origin(url));
  const proxied = url.startsWith(config.video_proxy);
  const tell = (event, fields) => {
    const at = new Date().toISOString();
    // The hash takes a moment; one promise keeps the events in order, and the time is that of the event.
    hash.then((media_url_hash) =>
      emit(event, { preset_id: preset, media_url_hash }, { source_key: key, is_proxied: proxied, ...fields }, at));
  };
  let settled = false;
  let ready = false;
  // An error that comes before the picture, as Firefox has them, is taken for the end of it.
  const terminal = on('telemetry-error-terminal');
  const fail = (code, detected_by, text) => {
    if (settled || source.stageVideo !== element) return;
    settled = true;
    if (!on('telemetry-video-silent')) tell('video_init_error', { time_to_error_ms: since(), error_code: code, detected_by });
    failed(text);
  };

  tell('video_init_start', {
    is_retry: false,
    has_start_time: false,
    has_cross_origin: new URL(url, location.href).origin !== location.origin,
    route_reason: proxied ? 'proxied-cross-origin' : url.startsWith('/') ? 'relative-url' : 'retry-direct',
  });
  if (terminal) tell('video_init_error', { time_to_error_ms: since(), error_code: 4, detected_by: 'event' });
  // Added after hydra's own listener, so the texture is bound by now.
  element.addEventListener('loadeddata', () => {
    if (source.stageVideo !== element) {
      // Released while the event was on its way: hydra has bound it all the same.
      if (source.src === element) source.src = null;
      return;
    }
    // Fetched anew after an interruption: that is no init.
    if (ready) return;
    if (!terminal) tell('video_init_bound', {
      time_to_bind_ms: since(), video_width: element.videoWidth, video_height: element.videoHeight,
      ready_state: element.readyState,
    });
    element.requestVideoFrameCallback(() => {
      settled = ready = true;
      // hydra copies the frames of dynamic sources only.
      if (on('texture-stuck')) source.dynamic = false;
      if (!terminal) tell('video_init_frame_ready', { time_to_ready_ms: since() });
      if (POLICY) keep(source, element);
    });
  });
  element.addEventListener('error', () => fail(element.error?.code ?? -1, 'event', 'video failed'));
  // The public app gives up without a word; poor mode does too.
  if (!isPoor()) setTimeout(() => fail(-1, 'poll', 'video does not start'), PATIENCE_MS);
}
