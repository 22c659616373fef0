// The video page: a plain visible video, played on over a bad network.
//   ?clip=NAME      a clip of /api/clips; h264.mp4 unless told
//   ?from=second    from the second origin, with CORS; ?from=proxy: from there through the video proxy
//   ?policy=live    after an interruption at the live edge; otherwise where it stood
import { config, emit, room } from './telemetry.js';
import { on } from './defects.js';
import { attend } from './reconnect.js';
import { media } from './video.js';

/** Where the defects of a while strike. */
const STRIKES_AT_S = 5;
/** What a seek button leads to, in seconds. */
const SEEK_S = 10;
/** How far off `seek-elsewhere` lands. */
const ASTRAY_S = 5;

const page = (selector) => document.querySelector(selector);
const video = page('#video');
const status = page('#player-status');
const retry = page('button[name=retry]');
const asked = new URLSearchParams(location.search);
const policy = asked.get('policy') === 'live' ? 'live' : 'resume';

const clip = asked.get('clip') ?? 'h264.mp4';
const second = asked.get('from') === 'second' && !on('video-cors');
const url = second ? `${config.second_origin}/media/${clip}` : media(clip, asked.get('from'));
if (new URL(url, location.href).origin !== location.origin) video.crossOrigin = 'anonymous';
video.src = url;

function show(state, text) {
  status.dataset.state = state;
  status.textContent = text;
  retry.hidden = state !== 'failed';
  page('button[name=play]').textContent = ['paused', 'ended', 'failed'].includes(state) ? 'Play' : 'Pause';
}

const player = attend(video, policy, show);

const began = performance.now();
emit('video_init_start', {}, { source_key: 'page', is_proxied: asked.get('from') === 'proxy' });
video.addEventListener('loadeddata', () => {
  emit('video_init_bound', {}, { source_key: 'page', time_to_bind_ms: Math.round(performance.now() - began) });
}, { once: true });
video.requestVideoFrameCallback(() => {
  emit('video_init_frame_ready', {}, { source_key: 'page', time_to_ready_ms: Math.round(performance.now() - began) });
});

function seek(by) {
  const astray = on('seek-elsewhere') ? ASTRAY_S : 0;
  video.currentTime = Math.max(0, Math.min(video.duration || 0, video.currentTime + by + astray));
  player.sought();
}

let playing = false;
page('button[name=play]').addEventListener('click', () => {
  playing = !playing || ['ended', 'failed'].includes(status.dataset.state);
  if (playing) player.play();
  else player.pause();
});
retry.addEventListener('click', () => player.play());
page("button[aria-label='Back 10 s']").addEventListener('click', () => seek(-SEEK_S));
page("button[aria-label='On 10 s']").addEventListener('click', () => seek(SEEK_S));

let struck = false;
video.addEventListener('timeupdate', () => {
  if (struck || video.currentTime < STRIKES_AT_S) return;
  struck = true;
  // Nothing attends any more, so the page goes on saying what it said.
  if (on('video-pauses')) {
    player.leave();
    show('playing', 'Playing');
    video.pause();
  }
  if (on('video-ends-early')) video.currentTime = video.duration;
});
if (on('video-half-speed')) video.defaultPlaybackRate = video.playbackRate = 0.5;
if (on('video-covered')) {
  video.requestVideoFrameCallback(() => {
    const still = document.createElement('canvas');
    [still.width, still.height] = [video.videoWidth, video.videoHeight];
    still.getContext('2d').drawImage(video, 0, 0);
    video.after(still);
  });
}

page('#room').textContent = room;
page('#room').dataset.roomId = room;
page('#account').textContent = config.user?.username ?? 'guest';
page('#account').dataset.userId = config.user?.user_id ?? '';
document.body.dataset.policy = policy;
