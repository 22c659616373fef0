// The presets, in the order the buttons walk through them. `picture` is what a preset promises to show:
//   black   nothing, by design            video   moving, once its clip is there
//   static  something that stands still   sound   its mean brightness follows the loudness
//   moving  something that moves
// `aside`: the buttons walk past it; only the list shows it. Further containers and ways of the same clip.
// media(clip, via) is the URL of a clip, same origin unless via is 'proxy'; level() is the loudness, 0 to 1.
export const PRESETS = [
  {
    id: 'drift', name: 'Drift', picture: 'moving',
    code: `gradient(0.15).hue(0.55).saturate(0.7).modulate(noise(1.6, 0.08), 0.25).brightness(-0.12).out()`,
  },
  {
    // Four whole periods across: the mean of the stripes is the same wherever they stand, so only level() changes it.
    id: 'pulse', name: 'Pulse', picture: 'sound',
    code: `osc(25.132741, 0.02, 1)
  .color(() => 0.08 + 0.92 * level(), () => 0.08 + 0.92 * level(), () => 0.08 + 0.92 * level()).out()`,
  },
  {
    id: 'waves', name: 'Waves', picture: 'moving',
    code: `osc(14, 0.12, 1.1).rotate(0.6).color(0.9, 0.55, 1.1).out()`,
  },
  {
    id: 'clouds', name: 'Clouds', picture: 'moving',
    code: `noise(2.6, 0.35).color(0.5, 0.75, 1.2).add(solid(0.12, 0.16, 0.32)).out()`,
  },
  {
    id: 'cells', name: 'Cells', picture: 'moving',
    code: `voronoi(7, 0.9, 0.25).color(1.1, 0.7, 0.35).saturate(1.4).out()`,
  },
  {
    // No function of it takes the time, not even times zero.
    id: 'ink', name: 'Ink', picture: 'static',
    code: `shape(6, 0.62, 0.02).color(0.95, 0.4, 0.25).sub(shape(6, 0.4, 0.02)).add(shape(3, 0.22, 0.02).color(0.2, 0.7, 0.9))
  .repeat(3, 2).add(solid(0.05, 0.06, 0.1)).out()`,
  },
  {
    id: 'mirror', name: 'Mirror hall', picture: 'moving',
    code: `osc(9, 0.15, 1.4).modulate(noise(2, 0.2), 0.2).kaleid(6).out()`,
  },
  {
    id: 'echo', name: 'Echo', picture: 'moving',
    code: `src(o0).scale(1.015).rotate(0.012).color(0.97, 0.95, 0.98)
  .layer(shape(4, 0.16, 0.02).color(1, 0.6, 0.2).luma(0.1).scrollX(() => 0.28 * Math.sin(time * 1.3)).scrollY(() => 0.22 * Math.cos(time * 1.7))).out()`,
  },
  {
    id: 'void', name: 'Void', picture: 'black',
    code: `solid(0, 0, 0).out()`,
  },
  {
    id: 'swirl', name: 'Swirl', picture: 'moving',
    code: `osc(18, 0.06, 0.8).modulateRotate(noise(1.5, 0.25), 1.6).hue(0.3).out()`,
  },
  {
    id: 'film', name: 'Film', picture: 'video',
    code: `s0.initVideo(media('h264.mp4'))
src(s0).out()`,
  },
  {
    id: 'orbit', name: 'Orbit', picture: 'moving',
    code: `shape(3, 0.35, 0.02).scrollX(0.12).rotate(0, 1.2).color(0.3, 0.95, 0.75).add(shape(40, 0.12, 0.02).color(1, 0.5, 0.6)).out()`,
  },
  {
    id: 'heavy', name: 'Cathedral (heavy)', picture: 'moving',
    code: `voronoi(9, 0.4, 0.2).modulate(noise(3, 0.2), 0.2).kaleid(7).color(0.9, 0.6, 1.1)
  .add(voronoi(6, 0.2).modulateRotate(osc(4, 0.1), 0.4).color(0.3, 0.5, 0.9), 0.5)
  .diff(voronoi(14, 0.5, 0.1).kaleid(5).color(0.5, 0.3, 0.2))
  .modulateScale(noise(2, 0.2), 0.4)
  .blend(osc(20, 0.1, 2).modulate(osc(5, 0.6), 0.2).kaleid(9), 0.3)
  .saturate(1.4).contrast(1.2).out()`,
  },
  {
    id: 'film-vp9', aside: true, name: 'Film, VP9', picture: 'video',
    code: `s0.initVideo(media('vp9.webm'))
src(s0).out()`,
  },
  {
    id: 'film-proxy', aside: true, name: 'Film, through the proxy', picture: 'video',
    code: `s0.initVideo(media('h264.mp4', 'proxy'))
src(s0).out()`,
  },
  {
    id: 'film-tail', aside: true, name: 'Film, index last', picture: 'video',
    code: `s0.initVideo(media('h264-tail.mp4'))
src(s0).out()`,
  },
  {
    id: 'film-frag', aside: true, name: 'Film, fragmented', picture: 'video',
    code: `s0.initVideo(media('h264-frag.mp4'))
src(s0).out()`,
  },
  {
    id: 'lattice', name: 'Lattice', picture: 'moving',
    code: `osc(30, 0.05, 0.6).mult(osc(24, -0.08, 0).rotate(1.5708)).colorama(0.02).out()`,
  },
];

const WALK = PRESETS.filter((preset) => !preset.aside);

/** The place in the list where the buttons lead from `index`: `by` presets on. From one aside, to the first. */
export function walk(index, by) {
  const at = WALK.indexOf(PRESETS[index]);
  return PRESETS.indexOf(WALK[at < 0 ? 0 : (at + by + WALK.length) % WALK.length]);
}

/** Where a preset stands in the list. */
export function indexOf(id) {
  return PRESETS.findIndex((preset) => preset.id === id);
}
