// The microphone, and how loud it is.
import { on } from './defects.js';

/** Seconds within which the loudness follows a change, about: fast enough to see, slow enough not to flicker. */
const SMOOTHING_S = 0.08;
/** A sine of amplitude 0.5 has an RMS of 0.35, and shall be nearly full. */
const GAIN = 2.5;

let analyser = null;
let samples = null;
let loudness = 0;
let measured = performance.now();

/** The loudness now, 0 to 1, smoothed. 0 before the sound is started. */
export function level() {
  if (on('audio-unconnected') && analyser) return 0.5;
  if (!analyser) return 0;
  const now = performance.now();
  const passed = (now - measured) / 1000;
  // A frame asks more than once; within a frame there is nothing new to hear.
  if (passed < 0.004) return loudness;
  measured = now;
  analyser.getFloatTimeDomainData(samples);
  const rms = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  loudness += (Math.min(1, rms * GAIN) - loudness) * (1 - Math.exp(-passed / SMOOTHING_S));
  return loudness;
}

/** Opens the microphone. Call it in a click: without one, no browser lets the sound run. */
export async function start() {
  const context = new AudioContext();
  analyser = context.createAnalyser();
  samples = new Float32Array(analyser.fftSize);
  // Not awaited: with no sound device it never settles, and the picture need not wait for it.
  context.resume().catch(() => {});
  if (on('audio-denied')) return;
  // All three change what is heard, and a loudness that is being levelled out shows nothing.
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: plain });
  const source = context.createMediaStreamSource(microphone);
  if (!on('audio-unconnected')) source.connect(analyser);
  // Kept reachable: Firefox collects a source node that only the graph holds, and then there is silence.
  analyser.stageKeeps = { context, microphone, source };
  if (on('audio-suspended')) await context.suspend();
}
