// node playwright.js BASE CHROMIUM OUT [facts]: the play in Playwright, written as a Playwright user would.
import { chromium } from 'playwright-core';
import { FLAGS, PATIENCE, QUIET, display, facts, newPicture, play, tell } from './page.js';

const [base, binary, out, wantFacts] = process.argv.slice(2);
const screen = await display();
const browser = await chromium.launch({
  executablePath: binary, headless: false, args: FLAGS, env: { ...process.env, ...QUIET, DISPLAY: screen.name },
});
// No emulated viewport: the page has the window's size, as a person's has.
const page = await (await browser.newContext({ viewport: null })).newPage();
const up = performance.now();
const result = await play({
  open: async () => {
    const answer = await page.goto(`${base}/player`, { waitUntil: 'domcontentloaded' });
    if (!answer.ok()) throw new Error(`/player answered ${answer.status()}`);
    await page.locator('#visualizer').waitFor();
  },
  click: (css) => page.click(css),
  // evaluate and not waitForFunction: its first look is outside an animation frame, where the canvas cannot be read.
  wait: (before) => page.evaluate(`(${newPicture})(${JSON.stringify(before)}, ${PATIENCE})`),
  // The account's name is masked, as journeys/apps/stage.toml has it masked in Soundcheck's. BENCH_MASK=0 leaves that out.
  shot: (path) => page.screenshot({ path, mask: process.env.BENCH_MASK === '0' ? [] : [page.locator('#account')] }),
  ask: () => page.evaluate(facts),
}, out, wantFacts);
await browser.close();
await screen.end();
tell(out, { up, ...result });
