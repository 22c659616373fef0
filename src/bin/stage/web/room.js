// The room page: who is here, what is played next, and a library to choose from.
import { config, emit, room, setUser } from './telemetry.js';
import { enter } from './link.js';

/** After the last letter, before the library is asked. */
const TYPING_MS = 150;
/** prevQueueId of the head. */
const HEAD = -1;

const page = (selector) => document.querySelector(selector);
const queue = page('#queue');
const songs = page('#songs');
let user = config.user;
let tell = () => {};

function say(text, state = 'ok') {
  page('#status').textContent = text;
  page('#status').dataset.state = state;
}

async function post(path, body = {}) {
  const answer = await fetch(path, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function button(name, label, text, press) {
  const made = document.createElement('button');
  Object.assign(made, { type: 'button', name, textContent: text });
  made.setAttribute('aria-label', label);
  made.addEventListener('click', press);
  return made;
}

function line(title, artist, ...buttons) {
  const item = document.createElement('li');
  const words = document.createElement('p');
  words.append(Object.assign(document.createElement('b'), { textContent: title }), ` ${artist}`);
  item.append(words, ...buttons);
  return item;
}

const lines = new Map();
let order = [];

/** The line of an entry stays the same element as long as the entry is there: nobody's click meets another one. */
function draw({ version, result, entities }) {
  order = result;
  for (const [id, item] of lines) {
    if (result.includes(id)) continue;
    item.remove();
    lines.delete(id);
  }
  result.forEach((id, place) => {
    const { title, artist, userId } = entities[id];
    if (!lines.has(id)) {
      lines.set(id, line(title, artist,
        button('up', `Move up ${title}`, 'Move up', () => up(id)),
        button('remove', `Remove ${title}`, 'Remove', () => tell('server/QUEUE_REMOVE', { queueId: id }))));
    }
    const item = lines.get(id);
    item.dataset.queueId = id;
    item.dataset.own = userId === user?.user_id;
    item.querySelector('[name=up]').disabled = place === 0;
    if (queue.children[place] !== item) queue.insertBefore(item, queue.children[place] ?? null);
  });
  queue.dataset.version = version;
}

function up(id) {
  const place = order.indexOf(id);
  tell('server/QUEUE_MOVE', { queueId: id, prevQueueId: order[place - 2] ?? HEAD });
}

async function search(words) {
  const began = performance.now();
  const answer = await fetch(`/api/library?q=${encodeURIComponent(words)}`);
  if (!answer.ok) {
    say('The library does not answer', 'error');
    return;
  }
  const found = await answer.json();
  emit('library_response', {}, { status: answer.status, duration_ms: Math.round(performance.now() - began) });
  songs.replaceChildren(...found.songs.map(({ songId, title, artist }) => line(title, artist,
    button('add', `Add ${title}`, 'Add', () => tell('server/QUEUE_ADD', { songId })))));
  songs.dataset.query = words;
}

/** Renews the login. By itself it says only that it could not. */
async function refresh(asked) {
  try {
    await post('/api/refresh');
    emit('auth_refresh', {}, { ok: true });
    if (asked) say('Logged in for longer');
  } catch (error) {
    emit('auth_refresh', {}, { ok: false, reason: error.message });
    say('Your login could not be renewed', 'error');
  }
}

function account() {
  setUser(user);
  page('#account').textContent = user ? `${user.username} (${user.role})` : 'nobody';
  page('#account').dataset.userId = user?.user_id ?? '';
  page('#login').hidden = Boolean(user);
  page('[name=refresh]').hidden = !user;
  page('#door').hidden = Boolean(user);
  page('#inside').hidden = !user;
}

/** Into the room, once it is known who. */
async function comeIn() {
  account();
  if (!user) return;
  try {
    await post(`/api/rooms/${encodeURIComponent(room)}/join`);
  } catch (error) {
    emit('room_join_failure', {}, { reason: error.message });
    say(`Could not join: ${error.message}`, 'error');
    return;
  }
  emit('room_join_success', {}, {});
  tell = enter((state, text) => {
    page('#room-status').textContent = text;
    page('#room-status').dataset.state = state;
  }, draw, (open, error) => {
    queue.dataset.pending = open;
    say(error ? `Refused: ${error}` : '', error ? 'error' : 'ok');
  });
  search('');
  // Long before it ends, and however short it is at least so often that it does not.
  setInterval(refresh, config.token_life_ms / 3, false);
}

document.forms.door.addEventListener('submit', async (event) => {
  event.preventDefault();
  emit('auth_guest_join_start', {}, {});
  try {
    user = await post('/api/guest/join', { roomId: room, guestName: event.target.guest.value });
    emit('auth_guest_join_success', { user_id: user.user_id }, {});
    comeIn();
  } catch (error) {
    emit('auth_guest_join_failure', {}, { reason: error.message });
    say(`Could not join: ${error.message}`, 'error');
  }
});

let typing = 0;
page('input[name=search]').addEventListener('input', ({ target }) => {
  clearTimeout(typing);
  typing = setTimeout(search, TYPING_MS, target.value);
});
page('[name=refresh]').addEventListener('click', () => refresh(true));

page('#room').textContent = room;
page('#room').dataset.roomId = room;
comeIn();
