// Wall time, CPU and peak memory of a runner's OWN processes: not of the browser, the driver or the X server.
import { spawn } from 'node:child_process';
import { openSync, closeSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const TICKS = 100; // clock ticks a second in /proc; Linux shows users this rate whatever the kernel's own is
const EVERY = 10;

const read = (path) => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null; // ended meanwhile
  }
};

/** State, CPU seconds and parent of a process; null when there is none. */
function stat(pid) {
  const text = read(`/proc/${pid}/stat`);
  if (!text) return null;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0], parent: Number(fields[1]), cpu: (Number(fields[11]) + Number(fields[12])) / TICKS };
}

const peak = (pid) => Number(/VmHWM:\s*(\d+) kB/.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? 0) / 1024;

/** Soundcheck's reapers: processes of the same program, under its hidden word. */
function reapers(parent, exe, known) {
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!pid || pid <= parent || known.has(pid) || stat(pid)?.parent !== parent) continue;
    const words = read(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
    try {
      if (readlinkSync(`/proc/${pid}/exe`) === exe && words[1] === 'leash') known.set(pid, { cpu: 0, peak: 0 });
    } catch {
      // ended meanwhile
    }
  }
}

const WATCHED = '(cat <&3 >/dev/null; kill -KILL 0) >/dev/null & "$@" >/dev/null 3<&- & echo $!; exec sleep 600 >&- 3<&-';

/**
 * Runs a program to its end. Its parent is a shell that has turned into `sleep` and so never collects it: the zombie
 * keeps its final CPU time, which sampling alone would miss, and rusage would mix with the browser's. Another child reads
 * a pipe that ends with this process, however it ends, and then ends the group: no browser stays behind.
 * Peak memory is that of each process, added up: it is sampled, and the kernel's own high-water mark.
 */
export async function measure(argv, { out, env, limit = 120_000 }) {
  const err = openSync(join(out, 'stderr'), 'w');
  const begun = performance.now();
  const holder = spawn('sh', ['-c', WATCHED, 'sh', ...argv], {
    stdio: ['ignore', 'pipe', err, 'pipe'], env: { ...process.env, ...env }, detached: true,
  });
  closeSync(err);
  holder.on('error', () => {});
  try {
    const pid = Number(await new Promise((resolve) => holder.stdout.once('data', resolve)));
    const own = new Map([[pid, { cpu: 0, peak: 0 }]]);
    let round = 0;
    while (performance.now() - begun < limit) {
      if (basename(argv[0]) === 'soundcheck' && round++ % 3 === 0) reapers(pid, argv[0], own);
      for (const [each, sum] of own) {
        const now = stat(each);
        if (now?.parent === (each === pid ? holder.pid : pid)) sum.cpu = Math.max(sum.cpu, now.cpu);
        sum.peak = Math.max(sum.peak, peak(each));
      }
      if (stat(pid)?.state === 'Z') {
        const all = [...own.values()];
        const add = (key) => all.reduce((sum, each) => sum + each[key], 0);
        return { wall: (performance.now() - begun) / 1000, cpu: add('cpu'), peak: add('peak'), processes: all.length };
      }
      await sleep(EVERY);
    }
    process.kill(pid);
    throw new Error(`${basename(argv[0])} did not end in ${limit / 1000} s`);
  } finally {
    // The whole group: a rival that failed half-way would leave its browser.
    try {
      process.kill(-holder.pid, 'SIGKILL');
    } catch {
      // nobody left
    }
  }
}
