// The app's own events: a console line each, and batches to the server.

export const config = JSON.parse(document.getElementById('config').textContent);
export const session = crypto.randomUUID();
export const room = new URLSearchParams(location.search).get('room') ?? 'main';

const poor = config.telemetry === 'poor';
const agent = navigator.userAgent;
const browser = agent.includes('Firefox/') ? 'firefox' : agent.includes('Chrome/') ? 'chromium' : 'other';
const platform = agent.includes('Android') ? 'android' : agent.includes('Linux') ? 'linux'
  : agent.includes('Mac OS') ? 'mac' : agent.includes('Windows') ? 'windows' : 'other';

// Here and not by `on`: defects.js needs this file's config.
const has = (defect) => config.defects.includes(defect);
/** What the public app has no words for. */
const ONLY_FULL = ['first_visualizer_frame', 'queue_cmd_ack', 'queue_cmd_applied', 'queue_cmd_rejected', 'socket_resync',
  'auth_refresh', 'video_stall'];
/** What is also told by performance.mark, as `stage:NAME`. */
const MARKED = ['first_visualizer_frame', 'hydra_preset_eval_success'];

let user = config.user;
let buffer = [];
const last = new Map();

/** From now on events carry this user; null is a guest. */
export function setUser(someone) {
  user = someone;
}

/** Whether the app tells little, as the public one does. */
export function isPoor() {
  return poor;
}

/**
 * Emits an event. `ids` are what joins it with others (preset_id, media_url_hash); poor mode leaves them out, and
 * drops what comes faster than its rate limit, so that a quick switch loses its events.
 */
export function emit(event, ids, fields, at = new Date().toISOString()) {
  if (config.telemetry === 'off') return;
  if (poor && ONLY_FULL.includes(event)) return;
  if (poor || has('telemetry-rate-limit')) {
    const limit = event.startsWith('hydra_') ? 2000 : event.startsWith('video_init_') ? 1000 : 0;
    const now = performance.now();
    if (now - (last.get(event) ?? -Infinity) < limit) return;
    last.set(event, now);
  }
  const line = { v: 1, event, source: 'client', timestamp: at, session_id: session, room_id: room };
  if (!poor) Object.assign(line, { user_id: user?.user_id ?? null, browser, platform }, ids);
  else Object.assign(line, user && { user_id: user.user_id }, { browser: agent.slice(0, 80), platform: navigator.platform });
  Object.assign(line, fields);
  if (poor) console.info('[TEL]', JSON.stringify(line));
  else console.info('[TEL] ' + JSON.stringify(line));
  buffer.push(line);
  if (!poor && MARKED.includes(event)) {
    const mark = `stage:${event}`;
    performance.mark(mark, { detail: ids });
    // Whoever listens is told all the same, and the page keeps none.
    performance.clearMarks(mark);
  }
}

function flush(leaving) {
  if (buffer.length === 0) return;
  const events = buffer.splice(0, 200);
  const now = new Date().toISOString();
  const body = JSON.stringify({ events: has('telemetry-restamps') ? events.map((e) => ({ ...e, timestamp: now })) : events });
  // A page that goes away takes its fetches with it; a beacon it does not.
  if (leaving) navigator.sendBeacon('/api/telemetry', body);
  else fetch('/api/telemetry', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body }).catch(() => {});
}

setInterval(flush, poor ? 30_000 : 2_000, false);
addEventListener('pagehide', () => flush(true));

/** The first 16 hex digits of a URL's SHA-256. The server computes the same. */
export async function urlHash(url) {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(url));
  return Array.from(new Uint8Array(digest).slice(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
