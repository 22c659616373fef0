// What the proxy costs when it does nothing: the same requests directly, through Soundcheck, nginx, HAProxy and mitmproxy, in
// turns. Soundcheck writes its events meanwhile; the others write no log at all, but for those that say so: nginx a line of
// JSON for each request, with the fields that it knows. `relay` is the least that can lie between: it passes octets on and
// reads no head; with a log, it writes as many octets for each answer as an event has.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { median, medianInterval, table } from './stats.js';

const { values: options } = parseArgs({
  options: {
    wire: { type: 'string' },
    soundcheck: { type: 'string' },
    nginx: { type: 'string' },
    haproxy: { type: 'string' },
    mitmdump: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    only: { type: 'string', multiple: true },
  },
});
const rounds = Number(options.rounds);
const SHAPES = [['/small', 1], ['/small', 64], ['/large', 1], ['/large', 64]];
const NAMES = ['direct', 'soundcheck', 'nginx', 'nginx, log', 'relay', 'relay, log', 'haproxy', 'mitmproxy'].filter((name) => options.only?.includes(name) ?? true);
const work = mkdtempSync(join(tmpdir(), 'bench-'));
const running = [];

const free = () => new Promise((resolve, reject) => {
  const server = createServer().on('error', reject).listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});
const answers = (port) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => resolve(true) || socket.destroy()).on('error', () => resolve(false));
});

/** Starts a server in a group of its own; its port once it listens, and that group. `port` is asked for, or printed by it. */
async function serve(argv, port) {
  const child = spawn(argv[0], argv.slice(1), { detached: true, stdio: ['ignore', 'pipe', 'pipe'], cwd: work });
  running.push(child);
  let text = '';
  let ended = null;
  child.stdout.on('data', (data) => { text += data; });
  child.stderr.on('data', (data) => { text += data; });
  child.on('error', (error) => { ended = error.message; }).on('exit', (code) => { ended = `ended with ${code}`; });
  for (let tries = 0; tries < 300 && ended === null; tries += 1) {
    const printed = /(?:listening on |"listen":")127\.0\.0\.1:(\d+)/.exec(text)?.[1];
    const known = port ?? (printed && Number(printed));
    if (known && await answers(known)) return { port: known, group: child.pid };
    await sleep(50);
  }
  throw new Error(`${argv[0]}: ${ended ?? 'does not listen after 15 s'}\n${text}`);
}

/** CPU seconds that a server's processes have used: they are its group. 100 ticks a second, whatever the kernel's own. */
function cpu(group) {
  let ticks = 0;
  for (const name of readdirSync('/proc').filter((n) => /^\d+$/.test(n))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(fields[2]) === group) ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // ended meanwhile
    }
  }
  return ticks / 100;
}

const write = (name, text) => {
  const path = join(work, name);
  writeFileSync(path, text);
  return path;
};

const START = {
  soundcheck: (origin) => serve([
    options.soundcheck, 'proxy', 'clean', '--to', `http://127.0.0.1:${origin}`, '--listen', '127.0.0.1:0', '--json',
    '--events', join(work, 'events.jsonl'),
  ]),
  relay: (origin) => serve([options.wire, 'relay', `127.0.0.1:${origin}`]),
  'relay, log': (origin) => serve([options.wire, 'relay', `127.0.0.1:${origin}`, join(work, 'lines')]),
  nginx: (origin) => START.nginxWith(origin, 'off'),
  'nginx, log': (origin) => START.nginxWith(origin, `${work}/access.log events buffer=64k flush=1s`),
  async nginxWith(origin, log) {
    const port = await free();
    // Kept connections on both sides, as the others have by themselves; nothing is spooled to disk or logged.
    const fields = ['connection', 'request_method', 'host', 'request_uri', 'status', 'http_range', 'sent_http_content_range',
      'sent_http_content_length', 'sent_http_content_type', 'sent_http_accept_ranges', 'sent_http_etag', 'body_bytes_sent',
      'upstream_response_length', 'upstream_header_time', 'upstream_connect_time', 'request_time', 'request_completion'];
    const event = fields.map((f) => `"${f}":"$${f}"`).join(',');
    const text = `daemon off; pid ${work}/nginx-${port}.pid; error_log stderr crit; worker_processes auto;
events { worker_connections 1024; }
http {
  log_format events escape=json '{"timestamp":"$time_iso8601","t_ms":$msec,"request":"$request_id",${event}}';
  access_log ${log}; keepalive_requests 1000000000; proxy_max_temp_file_size 0;
  client_body_temp_path ${work}/c; proxy_temp_path ${work}/p; fastcgi_temp_path ${work}/f; uwsgi_temp_path ${work}/u;
  scgi_temp_path ${work}/s;
  upstream origin { server 127.0.0.1:${origin}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}`;
    return serve([options.nginx, '-c', write('nginx.conf', text), '-p', work], port);
  },
  async haproxy(origin) {
    const port = await free();
    const text = `global
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen all
  bind 127.0.0.1:${port}
  server origin 127.0.0.1:${origin}
`;
    return serve([options.haproxy, '-db', '-f', write('haproxy.cfg', text)], port);
  },
  async mitmproxy(origin) {
    const port = await free();
    return serve([
      options.mitmdump, '--mode', `reverse:http://127.0.0.1:${origin}`, '--listen-host', '127.0.0.1', '-p', String(port), '-q',
      '--set', 'stream_large_bodies=64k', '--set', `confdir=${work}/mitm`,
    ], port);
  },
};

function load(port, path, connections) {
  const child = spawn(options.wire, ['load', `127.0.0.1:${port}`, path, String(connections), options.seconds], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let wrong = '';
  child.stdout.on('data', (data) => { text += data; });
  child.stderr.on('data', (data) => { wrong += data; });
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => child.kill('SIGKILL'), Number(options.seconds) * 1000 + 20_000);
    child.on('error', reject).on('close', (code) => {
      clearTimeout(late);
      const failed = () => reject(new Error(`${path} over ${connections} connections: ${wrong || `load ended with ${code}`}`));
      if (code !== 0) return failed();
      try {
        return resolve(JSON.parse(text));
      } catch {
        return failed();
      }
    });
  });
}

function report(samples) {
  const of = (name, shape, key) => samples.filter((s) => s.name === name && s.shape === shape).map((s) => s[key]);
  const pairs = (name, base, shape, value) => {
    const other = of(base, shape, 'round');
    const own = samples.filter((s) => s.name === name && s.shape === shape && other.includes(s.round));
    return own.map((s) => value(s, samples.find((o) => o.name === base && o.shape === shape && o.round === s.round)));
  };
  const within = (values, digits) => {
    const interval = medianInterval(values);
    const ends = interval ?? { low: Math.min(...values), high: Math.max(...values) };
    return `${median(values).toFixed(digits)} (${ends.low.toFixed(digits)}..${ends.high.toFixed(digits)})`;
  };
  for (const [path, connections] of SHAPES) {
    const shape = `${path} ${connections}`;
    const rows = [['', 'requests/s', 'MB/s', 'p50', 'p99', 'its CPU', 'added p50, us', 'throughput vs direct']];
    for (const name of NAMES) {
      if (!of(name, shape, 'rate').length) continue;
      const added = pairs(name, 'direct', shape, (s, d) => s.p50 - d.p50);
      const ratio = pairs(name, 'direct', shape, (s, d) => s.done / d.done);
      rows.push([
        name, median(of(name, shape, 'rate')).toFixed(0), median(of(name, shape, 'speed')).toFixed(0),
        `${median(of(name, shape, 'p50')).toFixed(0)} us`, `${median(of(name, shape, 'p99')).toFixed(0)} us`,
        name === 'direct' ? '' : `${median(of(name, shape, 'cpu')).toFixed(1)} us`,
        added.length && name !== 'direct' ? within(added, 0) : '', ratio.length && name !== 'direct' ? within(ratio, 2) : '',
      ]);
    }
    console.log(`\n${path === '/small' ? '1 kB' : '8 MB'}, ${connections} connection${connections > 1 ? 's' : ''}`);
    console.log(table(rows));
    for (const [rival, key, text] of [
      ['nginx', 'done', "throughput / nginx's"], ['nginx, log', 'done', "throughput / that of nginx with a log"], ['haproxy', 'p50', "p50 / HAProxy's"],
    ]) {
      const ratios = pairs('soundcheck', rival, shape, (s, o) => s[key] / o[key]);
      if (ratios.length) console.log(`soundcheck's ${text}: ${within(ratios, 2)}`);
    }
    // What each adds to the direct way, round by round; a rival that adds nothing gives no ratio.
    const added = (s) => s.p50 - samples.find((d) => d.name === 'direct' && d.shape === shape && d.round === s.round)?.p50;
    const adds = pairs('soundcheck', 'haproxy', shape, (s, o) => added(s) / added(o)).filter((r) => Number.isFinite(r) && r > 0);
    if (adds.length) console.log(`soundcheck's added p50 / HAProxy's: ${within(adds, 2)}`);
  }
  console.log(`\nmedians of ${rounds} interleaved rounds of ${options.seconds} s, with their ${rounds >= 6 ? '95 % interval' : 'range'}`);
}

async function all() {
  for (const folder of ['c', 'p', 'f', 'u', 's', 'mitm']) mkdirSync(join(work, folder));
  const origin = await serve([options.wire, 'origin']);
  const servers = { direct: origin };
  for (const name of NAMES.slice(1)) servers[name] = await START[name](origin.port);
  const samples = [];
  for (let round = 0; round < rounds; round += 1) {
    // Each is first in turn, and whatever drifts falls out of the differences within a round.
    const order = NAMES.map((_, n) => NAMES[(n + round) % NAMES.length]);
    for (const [path, connections] of SHAPES) {
      for (const name of order) {
        const { port, group } = servers[name];
        const before = cpu(group);
        const one = await load(port, path, connections);
        const [rate, speed] = [one.requests / one.seconds, one.octets / one.seconds / 1e6];
        // Of large bodies octets are counted: with many under way, few begin and end within a window.
        const done = path === '/large' ? speed : rate;
        samples.push({
          ...one, name, round, rate, speed, done, shape: `${path} ${connections}`,
          cpu: (cpu(group) - before) / one.all * 1e6,
        });
      }
    }
    console.log(`round ${round + 1}/${rounds}, load ${loadavg()[0].toFixed(2)}`);
  }
  report(samples);
}

function stop(code) {
  for (const child of running) {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // ended already
    }
  }
  rmSync(work, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  process.exit(code);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(130));
process.on('uncaughtException', (error) => {
  console.error(`bench: ${error.stack}`);
  stop(1);
});
all().then(() => stop(0), (error) => {
  console.error(`bench: ${error.message}`);
  stop(1);
});
