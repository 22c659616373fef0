// The page's socket to its room: opened again whenever it breaks, and no command forgotten on the way.
import { emit, room } from './telemetry.js';
import { on } from './defects.js';

/** Before a lost socket is opened again: doubled each time, up to the last. */
const FIRST_MS = 100;
const LAST_MS = 2000;

/**
 * Enters the room. `show(state, text)` shows how the socket is, `draw(payload)` the queue, `settle(open, error)` how many
 * commands wait for an answer and why one was refused. Gives `tell(type, payload)`, which sends a command.
 */
export function enter(show, draw, settle) {
  // Commands without an answer, in the order they were given; and those not seen applied yet.
  const waiting = new Map();
  const unseen = new Map();
  let socket = null;
  let id = '';
  let delay = FIRST_MS;
  let lost = null;
  let opened = 0;

  const ids = (cmd) => ({ cmd_type: unseen.get(cmd) ?? waiting.get(cmd)?.type, cmd_id: cmd });

  function answered(message) {
    const cmd = message.meta?.id;
    if (!waiting.has(cmd)) return;
    const refused = message.type.endsWith('_ERROR');
    if (refused) emit('queue_cmd_rejected', {}, { ...ids(cmd), reason: message.error });
    else emit('queue_cmd_ack', {}, ids(cmd));
    waiting.delete(cmd);
    if (refused) unseen.delete(cmd);
    settle(waiting.size, refused ? message.error : '');
  }

  function pushed(message) {
    const { version } = message.payload;
    if (message.resync) {
      emit('socket_resync', {}, { socket_id: id, version, resync_ms: Math.round(performance.now() - opened) });
    }
    for (const cmd of message.applied.filter((cmd) => unseen.has(cmd))) {
      emit('queue_cmd_applied', {}, { ...ids(cmd), version });
      unseen.delete(cmd);
    }
    draw(message.payload);
  }

  function open() {
    const url = `${location.origin.replace(/^http/, 'ws')}/ws?room=${encodeURIComponent(room)}`;
    id = crypto.randomUUID();
    socket = new WebSocket(url);
    socket.addEventListener('open', () => {
      opened = performance.now();
      const about = { socket_id: id, transport: 'websocket' };
      if (lost === null) emit('socket_connect', {}, about);
      else if (!on('telemetry-no-reconnect')) {
        emit('socket_reconnect', {}, { ...about, reconnect_duration_ms: Math.round(opened - lost) });
      }
      lost = null;
      delay = FIRST_MS;
      show('connected', 'Connected');
      // Whether the server has had them nobody knows; by their ids it does.
      for (const { text } of waiting.values()) socket.send(text);
    });
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === 'queue/PUSH') pushed(message);
      else answered(message);
    });
    socket.addEventListener('close', ({ code, reason, wasClean }) => {
      // One that never opened is no connection lost.
      if (lost === null && opened) {
        lost = performance.now();
        emit('socket_disconnect', {}, { socket_id: id, code, reason, clean: wasClean });
      }
      show('reconnecting', 'Reconnecting');
      if (on('room-no-reconnect')) return;
      setTimeout(open, delay);
      delay = Math.min(2 * delay, LAST_MS);
    });
  }

  show('connecting', 'Connecting');
  open();
  return function tell(type, payload) {
    const cmd = crypto.randomUUID();
    const text = JSON.stringify({ type, payload, meta: { id: cmd } });
    waiting.set(cmd, { type, text });
    unseen.set(cmd, type);
    settle(waiting.size, '');
    emit('queue_cmd_sent', {}, ids(cmd));
    if (socket.readyState === WebSocket.OPEN) socket.send(text);
  };
}
