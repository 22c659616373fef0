// WebGL: contexts, programs and their faults, and what the screen shows.
//
// A frame ends in the microtask after the task that drew to the screen: the whole picture is drawn by then, and the
// drawing buffer is still there (with preserveDrawingBuffer=false it is empty as soon as the browser has composed).
(sc) => {
  const { apply, hook, guard, fail, send, listen, now, r1, text, state } = sc;
  if (!window.WebGLRenderingContext) return;
  const P1 = WebGLRenderingContext.prototype;
  const Video = HTMLVideoElement;
  const WebGL2 = window.WebGL2RenderingContext;
  const P2 = WebGL2 ? WebGL2.prototype : null;
  const is2 = (gl) => P2 !== null && gl instanceof WebGL2;
  const imul = Math.imul;

  // The originals the probe itself calls.
  const raw = {};
  for (const name of [
    "getParameter", "getExtension", "getProgramParameter", "getProgramInfoLog", "getShaderParameter", "getShaderInfoLog",
    "isContextLost", "readPixels", "pixelStorei", "bindFramebuffer", "bindBuffer", "readBuffer",
  ]) {
    const f1 = P1[name];
    const f2 = P2 && P2[name];
    raw[name] = (gl, ...args) => apply(is2(gl) ? f2 : f1, gl, args);
  }

  sc.identify = (gl) => {
    let renderer = raw.getParameter(gl, 0x1f01);
    let vendor = raw.getParameter(gl, 0x1f00);
    // Firefox tells here already, and logs a deprecation warning when asked for the extension.
    if (/^WebKit|^Mozilla$/.test(renderer) && raw.getExtension(gl, "WEBGL_debug_renderer_info")) {
      renderer = raw.getParameter(gl, 0x9246);
      vendor = raw.getParameter(gl, 0x9245);
    }
    return { renderer: text(renderer, 200), vendor: text(vendor, 200) };
  };

  // One entry per distinct source pair: an app that compiles the same program anew has the same picture.
  const sources = new Map();
  const fnv = (h, s) => {
    for (let i = 0; i < s.length; i++) h = imul(h ^ s.charCodeAt(i), 0x01000193);
    return h;
  };
  const hex8 = (h) => (h >>> 0).toString(16).padStart(8, "0");
  const intern = (hash) => {
    let s = sources.get(hash);
    if (!s) sources.set(hash, (s = { hash, base: 0, fresh: 0 }));
    return s;
  };

  const contexts = new WeakMap();
  const canvases = new WeakMap();
  const shaders = new WeakMap();
  const programs = new WeakMap();
  const names = new WeakMap();
  let refs = [];
  let count = 0;
  let uploads = 0;

  // Most calls come in runs on one context.
  let lastGl = null;
  let lastCx = null;
  const cxOf = (gl) => {
    if (gl === lastGl) return lastCx;
    const cx = contexts.get(gl);
    if (cx) {
      lastGl = gl;
      lastCx = cx;
    }
    return cx;
  };

  // --- contexts
  const select = (canvas) => (canvas.id ? "#" + canvas.id : (canvas.localName || "offscreen"));
  const numbered = (canvas) => {
    let c = canvases.get(canvas);
    if (c) return c;
    c = { id: ++count, sel: select(canvas) };
    canvases.set(canvas, c);
    const tell = (ev) => (event) =>
      guard("gl." + ev, () => {
        if (c.cx) {
          c.cx.lost = ev === "lost";
          if (c.cx.lost) forget(c.cx);
        }
        send({ k: "gl", ev, t: r1(now()), id: c.id, sel: c.sel, message: text(event.statusMessage || "", 300) });
        sc.flush();
      });
    listen(canvas, "webglcontextlost", tell("lost"), true);
    listen(canvas, "webglcontextrestored", tell("restored"), true);
    listen(canvas, "webglcontextcreationerror", tell("creation_error"), true);
    return c;
  };
  const forget = (cx) => {
    cx.fb = cx.prog = null;
    cx.chain = [];
    cx.open = false;
    lastGl = lastCx = null;
  };
  const opened = (canvas, gl) => {
    const c = numbered(canvas);
    if (gl === null) {
      send({ k: "gl", ev: "context", t: r1(now()), id: c.id, ok: false, w: canvas.width, h: canvas.height, sel: c.sel });
      return;
    }
    if (contexts.has(gl)) return;
    c.cx = {
      gl, id: c.id, lost: false, fb: null, prog: null, open: false, serialNo: 1, screen: null, n: 0,
      chain: [], last: [], lastScreen: null, video: null, tick: null, sampledTick: -1, serial: 0, left: 0, freshLeft: 0, read: -1e9, cost: 0, pixels: null,
    };
    contexts.set(gl, c.cx);
    refs[refs.length] = new WeakRef(c.cx);
    const who = sc.identify(gl);
    send({
      k: "gl", ev: "context", t: r1(now()), id: c.id, ok: true, version: is2(gl) ? 2 : 1, renderer: who.renderer, vendor: who.vendor,
      w: canvas.width, h: canvas.height, sel: c.sel,
    });
  };
  const WANTED = ["webgl", "webgl2", "experimental-webgl"];
  const makeGetContext = (real) => ({
    getContext(type) {
      if (typeof type !== "string" || !WANTED.includes(type)) return apply(real, this, arguments);
      // Before the call: the creation error is told during it.
      guard("gl.canvas", () => numbered(this));
      const gl = apply(real, this, arguments);
      guard("gl.context", () => opened(this, gl));
      return gl;
    },
  }).getContext;
  sc.getContext = HTMLCanvasElement.prototype.getContext;
  hook(HTMLCanvasElement.prototype, "getContext", makeGetContext);
  if (window.OffscreenCanvas) hook(OffscreenCanvas.prototype, "getContext", makeGetContext);
  // What a worker draws cannot be seen from here; say so rather than report a page without frames.
  hook(HTMLCanvasElement.prototype, "transferControlToOffscreen", (real) => ({
    transferControlToOffscreen() {
      const r = apply(real, this, arguments);
      guard("gl.transfer", () => {
        const c = numbered(this);
        send({ k: "gl", ev: "offscreen", t: r1(now()), id: c.id, sel: c.sel });
      });
      return r;
    },
  }).transferControlToOffscreen);

  // --- programs
  // Asking for a status waits for the compiler. So it is asked where the page waits anyway (useProgram), or after the
  // task for shaders that never got linked (regl's checked build throws first), or a little later for unused programs.
  let pendingShaders = [];
  let pendingPrograms = [];
  let shadersDue = false;
  let programsDue = false;

  const badShader = (gl, s, hash) => {
    if (s.told || raw.getShaderParameter(gl, s.shader, 0x8b81) || raw.isContextLost(gl)) return;
    s.told = true;
    send({
      k: "gl", ev: "compile_error", t: r1(now()), hash, stage: s.type === 0x8b30 ? "fragment" : "vertex",
      log: text(raw.getShaderInfoLog(gl, s.shader) || "", 300),
    });
  };
  const checkShaders = () => {
    shadersDue = false;
    const due = pendingShaders;
    pendingShaders = [];
    for (const s of due) {
      const gl = s.gl;
      s.gl = null;
      if (!s.linked) guard("gl.compile", () => badShader(gl, s, hex8(fnv(0x811c9dc5, s.source))));
    }
  };
  const checkProgram = (p) => {
    const gl = p.gl;
    if (!gl) return;
    p.gl = null;
    if (raw.isContextLost(gl)) return;
    const fs = p.fs;
    const vs = p.vs;
    const hash = hex8(fnv(fnv(0x811c9dc5, fs ? fs.source : ""), vs ? vs.source : ""));
    if (raw.getProgramParameter(gl, p.program, 0x8b82)) {
      p.source = intern(hash);
      send({ k: "gl", ev: "program", t: r1(p.t), hash });
      return;
    }
    p.source = null;
    if (fs) badShader(gl, fs, hash);
    if (vs) badShader(gl, vs, hash);
    send({ k: "gl", ev: "link_error", t: r1(p.t), hash, log: text(raw.getProgramInfoLog(gl, p.program) || "", 300) });
  };
  const checkPrograms = () => {
    programsDue = false;
    const due = pendingPrograms;
    pendingPrograms = [];
    for (const p of due) guard("gl.link", () => checkProgram(p));
  };

  const after = (name, f, part) => {
    const make = (real) => ({
      m() {
        const r = apply(real, this, arguments);
        try {
          f(this, arguments, r);
        } catch (e) {
          fail("gl." + name, e);
        }
        return r;
      },
    }).m;
    hook(P1, name, make);
    if (P2) hook(P2, name, make);
  };

  after("createShader", (gl, a, shader) => {
    if (shader && contexts.has(gl)) shaders.set(shader, { shader, type: a[0], source: "", gl: null, linked: false, told: false });
  });
  after("shaderSource", (gl, a) => {
    const s = shaders.get(a[0]);
    if (s) s.source = "" + a[1];
  });
  after("compileShader", (gl, a) => {
    const s = shaders.get(a[0]);
    if (!s || s.gl) return;
    s.gl = gl;
    s.linked = s.told = false;
    pendingShaders[pendingShaders.length] = s;
    if (!shadersDue) {
      shadersDue = true;
      sc.soon(checkShaders);
    }
  });
  after("attachShader", (gl, a) => {
    const s = shaders.get(a[1]);
    if (!s) return;
    let p = programs.get(a[0]);
    if (!p) programs.set(a[0], (p = { program: a[0], fs: null, vs: null, gl: null, t: 0, source: null, nan: null, mark: 0 }));
    if (s.type === 0x8b30) p.fs = s;
    else p.vs = s;
  });
  after("linkProgram", (gl, a) => {
    const p = programs.get(a[0]);
    if (!p) return;
    if (p.fs) p.fs.linked = true;
    if (p.vs) p.vs.linked = true;
    p.nan = null;
    p.t = now();
    if (p.gl) return;
    p.gl = gl;
    pendingPrograms[pendingPrograms.length] = p;
    if (!programsDue) {
      programsDue = true;
      sc.later(checkPrograms, 200);
    }
  });
  after("useProgram", (gl, a) => {
    const cx = cxOf(gl);
    if (!cx) return;
    const p = a[0] ? programs.get(a[0]) || null : null;
    if (p && p.gl) checkProgram(p);
    cx.prog = p;
  });

  // --- uniforms: a NaN stays in its program until another value is set
  after("getUniformLocation", (gl, a, location) => {
    if (location) names.set(location, "" + a[1]);
  });
  const setNaN = (p, location) => {
    if (p.nan === null) p.nan = new Set();
    p.nan.add(names.get(location) || "?");
  };
  const marked = (gl, location, bad) => {
    const cx = cxOf(gl);
    if (!cx || cx.prog === null || !location) return;
    if (bad) setNaN(cx.prog, location);
    else if (cx.prog.nan !== null) cx.prog.nan.delete(names.get(location) || "?");
  };
  const odd = (v) => (typeof v === "number" ? v !== v : v === undefined || (typeof v === "string" && isNaN(v)));
  for (const n of [1, 2, 3, 4]) {
    after("uniform" + n + "f", (gl, a) => {
      let bad = odd(a[1]);
      for (let i = 2; i <= n; i++) bad = bad || odd(a[i]);
      marked(gl, a[0], bad);
    });
    // Sixteen are enough to see it, and few enough to cost nothing in a large array.
    const list = (at) => (gl, a) => {
      const v = a[at];
      let bad = false;
      for (let i = 0, end = v ? Math.min(v.length, 16) : 0; i < end; i++) bad = bad || odd(v[i]);
      marked(gl, a[0], bad);
    };
    after("uniform" + n + "fv", list(1));
    if (n > 1) after("uniformMatrix" + n + "fv", list(2));
  }

  // --- frames
  const timeline = document.timeline;
  const push = (cx, p) => {
    if (p === null || p.source === null || p.mark === cx.serialNo) return;
    p.mark = cx.serialNo;
    cx.chain[cx.chain.length] = p;
  };
  const closers = [];
  let closing = false;
  const closeAll = () => {
    closing = false;
    const t = timeline ? timeline.currentTime : null;
    for (let i = 0; i < closers.length; i++) {
      try {
        if (closers[i].open) close(closers[i], t);
      } catch (e) {
        fail("gl.frame", e);
      }
    }
    closers.length = 0;
  };
  // Whether the app's picture is on it: what a page draws besides is none, once the declared canvas draws.
  const rawMatches = Element.prototype.matches;
  let declared = sc.config.canvas;
  let drawn = false;
  const isShown = (cx) => {
    if (declared === null) return true;
    const canvas = cx.gl.canvas;
    try {
      if (canvas instanceof Element && apply(rawMatches, canvas, [declared])) return (drawn = true);
    } catch (e) {
      declared = null; // no CSS
      return true;
    }
    return !drawn;
  };
  const drew = (gl) => {
    try {
      const cx = cxOf(gl);
      if (!cx || cx.lost) return;
      push(cx, cx.prog);
      if (cx.fb !== null) return;
      cx.screen = cx.prog;
      if (cx.open) return;
      cx.open = true;
      closers[closers.length] = cx;
      if (!closing) {
        closing = true;
        sc.soon(closeAll);
      }
    } catch (e) {
      fail("gl.draw", e);
    }
  };

  const close = (cx, tick) => {
    cx.open = false;
    let chain = cx.chain;
    cx.chain = [];
    cx.serialNo++;
    if (raw.isContextLost(cx.gl)) return;
    // Several tasks may draw for one and the same screen update.
    const same = tick !== null && tick === cx.tick;
    cx.tick = tick;
    if (same) {
      for (const p of cx.last) if (!chain.includes(p)) chain[chain.length] = p;
    } else cx.n++;
    cx.last = chain;
    cx.lastScreen = cx.screen;
    if (same && cx.sampledTick === cx.n) return;

    if (cx.serial !== state.serial) {
      cx.serial = state.serial;
      cx.left = state.armed ? state.frames : 0;
    }
    let fresh = false;
    if (state.armed) {
      for (const p of chain) {
        const s = p.source;
        if (s === null || s.base === state.base) continue;
        fresh = true;
        if (s.fresh !== state.base) {
          s.fresh = state.base;
          cx.freshLeft = 10;
        }
      }
    }
    if (!isShown(cx)) return;
    const t = now();
    let wanted;
    // While nothing is waited for, a dear read is a rare one. It costs more than it blocks: until it is done the
    // renderer cannot begin the next frames.
    if (!state.armed) wanted = t - cx.read >= Math.max(990, Math.min(300 * cx.cost, 20000));
    else if (cx.left > 0) {
      cx.left--;
      wanted = true;
      if (fresh && cx.freshLeft > 0) cx.freshLeft--;
    } else if (fresh && cx.freshLeft > 0) {
      cx.freshLeft--;
      wanted = true;
    } else wanted = t - cx.read >= (state.sound ? Math.max(80, 2 * cx.cost) : Math.max(245, 5 * cx.cost));
    if (!wanted) return;
    cx.sampledTick = cx.n;
    cx.read = t;
    sample(cx, chain, t);
  };

  // Programs drawn in the frame before arm() are the old picture.
  sc.onArm.push(() => {
    const alive = [];
    for (const ref of refs) {
      const cx = ref.deref();
      if (!cx) continue;
      alive[alive.length] = ref;
      cx.freshLeft = 0;
      for (const p of cx.last) if (p.source) p.source.base = state.base;
    }
    refs = alive;
  });

  // Column and row of the grid points: 16 in each of 8 x 8 cells, both ways.
  const POINTS = 128;
  const sums = new Float64Array(64);
  const PACK = [0x0d05, 0x0d02, 0x0d04, 0x0d03]; // ALIGNMENT, ROW_LENGTH, SKIP_PIXELS, SKIP_ROWS
  const grab = (cx, w, h) => {
    const { gl } = cx;
    const two = is2(gl);
    const size = w * h * 4;
    if (cx.pixels === null || cx.pixels.length !== size) cx.pixels = new Uint8Array(size);
    const target = two ? 0x8ca8 : 0x8d40; // READ_FRAMEBUFFER
    const bound = raw.getParameter(gl, two ? 0x8caa : 0x8ca6);
    if (bound !== null) raw.bindFramebuffer(gl, target, null);
    const pack = two ? raw.getParameter(gl, 0x88ed) : null;
    if (pack !== null) raw.bindBuffer(gl, 0x88eb, null);
    const from = two ? raw.getParameter(gl, 0x0c02) : 0x0405;
    if (from !== 0x0405) raw.readBuffer(gl, 0x0405);
    const kept = [];
    for (let i = 0; i < (two ? 4 : 1); i++) {
      kept[i] = raw.getParameter(gl, PACK[i]);
      if (kept[i] !== (i ? 0 : 4)) raw.pixelStorei(gl, PACK[i], i ? 0 : 4);
    }
    try {
      raw.readPixels(gl, 0, 0, w, h, 0x1908, 0x1401, cx.pixels);
    } finally {
      for (let i = 0; i < kept.length; i++) if (kept[i] !== (i ? 0 : 4)) raw.pixelStorei(gl, PACK[i], kept[i]);
      if (from !== 0x0405) raw.readBuffer(gl, from);
      if (pack !== null) raw.bindBuffer(gl, 0x88eb, pack);
      if (bound !== null) raw.bindFramebuffer(gl, target, bound);
    }
  };
  // The number that a clip's picture carries in a row of blocks along its top, each black or white: white, black, 16 bits
  // with the highest first, and two to check them by. `oracle::playback::counter` has the whole of it.
  const BLOCKS = 20;
  const block = (px, row, from, to) => {
    let sum = 0;
    let least = 255;
    let most = 0;
    for (let x = from; x < to; x++) {
      const at = (row + x) * 4;
      const l = 0.2126 * px[at] + 0.7152 * px[at + 1] + 0.0722 * px[at + 2];
      sum += l;
      if (l < least) least = l;
      if (l > most) most = l;
    }
    const mean = sum / (to - from);
    if (most - least > 80) return -1;
    return mean > 153 ? 1 : mean < 102 ? 0 : -1;
  };
  const number = (px, w, h) => {
    const side = w / BLOCKS;
    if (side < 4) return null;
    // Through the middle of the blocks of a picture of 16 to 9 that fills the canvas.
    const row = (h - 1 - (((h * 2) / 45) | 0)) * w;
    let n = 0;
    let check = 0;
    for (let i = 0; i < BLOCKS; i++) {
      const bit = block(px, row, Math.round((i + 0.25) * side), Math.round((i + 0.75) * side));
      if (bit < 0 || (i < 2 && bit === i)) return null;
      if (i > 1 && i < 18) {
        n = n * 2 + bit;
        check ^= bit << (i & 1);
      } else if (i === 18) check ^= bit << 1;
      else if (i === 19) check ^= bit;
    }
    // The 16th bit of the number is bit 0: those of odd columns are bits 0, 2, .. 14. Their XOR is block 18, and that of
    // the others, turned round, block 19.
    return check === 1 ? n : null;
  };
  const sample = (cx, chain, t) => {
    const { gl } = cx;
    const w = gl.drawingBufferWidth;
    const h = gl.drawingBufferHeight;
    if (!w || !h) return;
    grab(cx, w, h);
    const px = cx.pixels;
    sums.fill(0);
    let max = 0;
    for (let j = 0; j < POINTS; j++) {
      // GL's rows run upwards.
      const row = (h - 1 - (((j + 0.5) * h) / POINTS | 0)) * w;
      const cell = (j >> 4) * 8;
      for (let i = 0; i < POINTS; i++) {
        const at = (row + (((i + 0.5) * w) / POINTS | 0)) * 4;
        const l = 0.2126 * px[at] + 0.7152 * px[at + 1] + 0.0722 * px[at + 2];
        if (l > max) max = l;
        sums[cell + (i >> 4)] += l;
      }
    }
    let luma = "";
    let total = 0;
    for (let i = 0; i < 64; i++) {
      total += sums[i];
      const v = Math.round(sums[i] / 256);
      luma += (v < 16 ? "0" : "") + v.toString(16);
    }
    const hashes = [];
    const nan = [];
    for (const p of chain) {
      if (p.source && !hashes.includes(p.source.hash)) hashes[hashes.length] = p.source.hash;
      if (p.nan !== null) for (const name of p.nan) if (!nan.includes(name)) nan[nan.length] = name;
    }
    hashes.sort();
    const level = guard("audio.level", sc.level);
    // What the app says it shows, asked in the frame it shows it.
    const ids = state.ids === null ? undefined : guard("ids", state.ids);
    const shown = sc.config.counter && cx.video !== null ? number(px, w, h) : null;
    const el = shown === null ? undefined : cx.video.ref.deref();
    cx.cost = now() - t;
    send({
      k: "frame", id: state.armed ? state.id : null, t: r1(t), n: cx.n, canvas: cx.id, programs: hashes,
      screen: cx.lastScreen && cx.lastScreen.source ? cx.lastScreen.source.hash : null, luma, mean: r1(total / 16384), max: Math.round(max),
      nan, vtex: uploads, lvl: level === undefined ? null : level, cost: r1(cx.cost), ids,
      number: el ? shown : undefined, vid: el ? cx.video.id : undefined, vct: el ? el.currentTime : undefined,
    });
  };

  after("bindFramebuffer", (gl, a) => {
    const cx = cxOf(gl);
    if (cx && (a[0] === 0x8d40 || a[0] === 0x8ca9)) cx.fb = a[1] || null;
  });
  after("deleteFramebuffer", (gl, a) => {
    const cx = cxOf(gl);
    if (cx && a[0] && cx.fb === a[0]) cx.fb = null;
  });
  const makeDraw = (real) => ({
    draw() {
      const r = apply(real, this, arguments);
      drew(this);
      return r;
    },
  }).draw;
  for (const name of ["drawArrays", "drawElements", "drawArraysInstanced", "drawElementsInstanced", "drawRangeElements"]) {
    hook(P1, name, makeDraw);
    if (P2) hook(P2, name, makeDraw);
  }
  // A blit to the screen shows what the programs before it drew; it has no program of its own.
  after("blitFramebuffer", (gl) => {
    const cx = cxOf(gl);
    if (!cx || cx.fb !== null) return;
    const held = cx.prog;
    cx.prog = null;
    drew(gl);
    cx.prog = held;
  });

  // Draw calls of extensions are on the extension object's prototype, which has no global name.
  const owners = new WeakMap();
  const patched = new WeakSet();
  const EXT_DRAWS = [
    "drawArraysInstancedANGLE", "drawElementsInstancedANGLE", "multiDrawArraysWEBGL", "multiDrawElementsWEBGL",
    "multiDrawArraysInstancedWEBGL", "multiDrawElementsInstancedWEBGL",
  ];
  after("getExtension", (gl, a, ext) => {
    if (!ext || !/instanced_arrays|multi_draw/i.test(a[0])) return;
    owners.set(ext, gl);
    const proto = Object.getPrototypeOf(ext);
    if (patched.has(proto)) return;
    patched.add(proto);
    for (const name of EXT_DRAWS) {
      hook(proto, name, (real) => ({
        draw() {
          const r = apply(real, this, arguments);
          const gl = owners.get(this);
          if (gl) drew(gl);
          return r;
        },
      }).draw);
    }
  });

  // --- textures from videos
  const uploaded = (gl, video, error) => {
    if (!contexts.has(gl)) return;
    const v = sc.videoOf(video);
    if (error === null) {
      if (v) sc.textured(v, now());
      if (video.readyState < 2) return;
      uploads++;
      const cx = cxOf(gl);
      if (v && cx) cx.video = v;
      if (!v || v.tex) return;
      v.tex = true;
      // Two video presets share their programs: this is when the picture changes. Read the frames it comes with.
      if (state.armed && cx) cx.left = Math.max(cx.left, 10);
      send({ k: "texture", ev: "first", t: r1(now()), video: v.id });
    } else {
      if (!v || v.texError) return;
      v.texError = true;
      send({ k: "texture", ev: "error", t: r1(now()), video: v.id, error: text(error && error.name, 60) + ": " + text(error && error.message, 300) });
    }
    sc.flush();
  };
  const makeUpload = (real) => ({
    upload() {
      const n = arguments.length;
      const from = n > 0 ? arguments[n - 1] : null;
      if (typeof from !== "object" || from === null || !(from instanceof Video)) return apply(real, this, arguments);
      let r;
      try {
        r = apply(real, this, arguments);
      } catch (e) {
        guard("gl.texture", () => uploaded(this, from, e));
        throw e;
      }
      guard("gl.texture", () => uploaded(this, from, null));
      return r;
    },
  }).upload;
  for (const name of ["texImage2D", "texSubImage2D", "texImage3D", "texSubImage3D"]) {
    hook(P1, name, makeUpload);
    if (P2) hook(P2, name, makeUpload);
  }
}
