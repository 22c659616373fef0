// Keeps a video playing over a network that comes and goes, and says how it is.
//
// By its own eyes: `waiting` and `stalled` may never come, or come while the picture moves. What counts is whether frames
// and the clock move on.
import { on } from './defects.js';
import { emit } from './telemetry.js';

const LOOK_MS = 100;
/** A picture that stands for so long is told. */
const STANDS_MS = 500;
/** One that stands so long, with nothing arriving either, is fetched anew. */
const LOST_MS = 4000;
/** One that stands so long, whatever was tried, has failed. */
const FAILED_MS = 60_000;
/** Seconds before each attempt; the last one repeats. */
const DELAYS_S = [1, 2, 4, 8];
/** A retry that plays for so long has helped: the next one starts from the shortest delay. */
const WELL_MS = 2000;
/** After standing for so long, a live viewer is taken to the live edge. */
const BEHIND_MS = 1000;

const WORDS = {
  playing: () => 'Playing',
  paused: () => 'Paused',
  ended: () => 'The end',
  buffering: () => 'Buffering...',
  offline: () => 'You are offline',
  retrying: (attempt, left) => left > 0
    ? `Connection lost, retrying in ${left} s (attempt ${attempt})` : `Connection lost, retrying (attempt ${attempt})`,
  failed: () => 'Playback failed',
};
const WAITING = ['buffering', 'offline', 'retrying'];

/**
 * Attends to a video. `policy`: after a retry it plays on where it stood ("resume") or where it would be by now ("live").
 * `show(state, text)` shows it. Gives `play`, `pause` and `leave`.
 */
export function attend(video, policy, show) {
  let wanted = false;
  let broken = false;
  let said = '';
  let stood = false;
  let attempt = 0;
  let retryAt = null;
  let place = 0;
  let anchor = null;
  let moved = 0;
  let grew = 0;
  let well = 0;
  let last = {};

  /** A stall is told once, as soon as the player says so, with the time at which the picture stopped. */
  function tellStall(state) {
    const stands = WAITING.includes(state);
    if (stands && !stood && !on('telemetry-no-stall')) {
      emit('video_stall', {}, { place_s: video.currentTime }, new Date(Date.now() - STANDS_MS).toISOString());
    }
    stood = stands;
  }

  function say(state, left = 0) {
    if (on('ui-lies') && (WAITING.includes(state) || state === 'failed')) state = 'playing';
    if (on('reconnect-stuck') && said.startsWith('retrying')) state = 'retrying';
    tellStall(state);
    const key = `${state} ${attempt} ${left}`;
    if (key === said) return;
    said = key;
    const silent = on('reconnect-silent') && WAITING.includes(state);
    show(silent ? '' : state, silent ? '' : WORDS[state](attempt, left));
  }

  /** Where a live viewer would be by now. */
  const edge = (now) => Math.min((video.duration || Infinity) - 1, anchor.place + (now - anchor.at) / 1000);

  /** Whether the picture moved since the last look; beside it, whether anything arrived. */
  function look(now) {
    const ranges = video.buffered;
    const seen = {
      place: video.currentTime, frames: video.getVideoPlaybackQuality().totalVideoFrames,
      end: ranges.length ? ranges.end(ranges.length - 1) : 0, ready: video.readyState,
    };
    const step = seen.place - last.place;
    // With sound alone the frames stand by right.
    const frames = seen.frames !== last.frames || on('audio-only');
    const moves = video.readyState > 0 && !video.seeking && step > 0 && step < 1 && frames;
    if (seen.end !== last.end || seen.ready !== last.ready) grew = now;
    last = seen;
    return moves;
  }

  function reload(now) {
    const to = on('reconnect-restarts') ? 0 : policy === 'live' ? edge(now) : place;
    broken = false;
    retryAt = null;
    grew = now;
    video.onloadedmetadata = () => { if (to > 0) video.currentTime = to; };
    video.src = video.currentSrc || video.src;
    video.play().catch(() => {});
  }

  function fail() {
    wanted = false;
    say('failed');
  }

  function drop() {
    video.removeAttribute('src');
    video.load();
  }

  /** The picture stands since `stands` milliseconds. */
  function wait(now, stands) {
    const lost = broken || (stands > LOST_MS && now - grew > LOST_MS);
    if (stands > FAILED_MS) return fail();
    if (retryAt !== null && now >= retryAt && !on('reconnect-never')) return reload(now);
    if (retryAt === null && lost) {
      if (on('video-no-retry') || on('reconnect-never')) drop();
      if (on('video-no-retry')) return fail();
      retryAt = now + 1000 * DELAYS_S[Math.min(attempt, DELAYS_S.length - 1)];
      attempt += 1;
    }
    if (retryAt !== null) return say('retrying', Math.max(0, Math.ceil((retryAt - now) / 1000)));
    if (attempt > 0) return say('retrying');
    return say(navigator.onLine ? 'buffering' : 'offline');
  }

  function tick() {
    const now = performance.now();
    const moves = look(now);
    if (!wanted) return;
    if (video.ended) {
      wanted = false;
      return say('ended');
    }
    if (!moves) {
      const stands = now - moved;
      well = now;
      if (broken || stands > STANDS_MS) wait(now, stands);
      return;
    }
    const behind = now - moved > BEHIND_MS;
    moved = now;
    place = video.currentTime;
    anchor ??= { at: now, place };
    retryAt = null;
    if (now - well > WELL_MS) attempt = 0;
    if (behind && policy === 'live' && edge(now) - place > 1) video.currentTime = edge(now);
    say('playing');
  }

  const timer = setInterval(tick, LOOK_MS);
  video.addEventListener('error', () => { broken = true; });

  return {
    play() {
      wanted = true;
      moved = grew = well = performance.now();
      attempt = 0;
      retryAt = null;
      if (video.error || !video.currentSrc) reload(moved);
      else video.play().catch(() => {});
    },
    pause() {
      wanted = false;
      video.pause();
      say('paused');
    },
    /** The video was taken elsewhere on purpose. */
    sought() {
      place = video.currentTime;
      anchor = { at: performance.now(), place };
      moved = performance.now();
    },
    /** Attends no more. */
    leave() {
      clearInterval(timer);
      show('', '');
    },
  };
}
