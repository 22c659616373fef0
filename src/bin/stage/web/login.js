// The login page.
import { emit } from './telemetry.js';

const form = document.querySelector('form');
const status = document.querySelector('#status');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const began = performance.now();
  const took = () => Math.round(performance.now() - began);
  status.textContent = '';
  emit('auth_login_start', {}, {});
  try {
    const answer = await fetch('/api/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: form.username.value, password: form.password.value }),
    });
    if (!answer.ok) throw new Error(answer.status === 401 ? 'wrong name or password' : `the server answered ${answer.status}`);
    const user = await answer.json();
    emit('auth_login_success', { user_id: user.user_id }, { duration_ms: took() });
    location.assign('/player');
  } catch (error) {
    emit('auth_login_failure', {}, { duration_ms: took(), reason: error.message });
    status.textContent = `Login failed: ${error.message}`;
    status.dataset.state = 'error';
  }
});
