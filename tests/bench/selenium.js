// node selenium.js BASE CHROMIUM OUT [facts]: the play in selenium-webdriver, written as a Selenium user would.
import { writeFile } from 'node:fs/promises';
import { Browser, Builder, By } from 'selenium-webdriver';
import chrome from 'selenium-webdriver/chrome.js';
import { FLAGS, PATIENCE, QUIET, display, facts, newPicture, play, tell } from './page.js';

const [base, binary, out, wantFacts] = process.argv.slice(2);
const screen = await display();
const options = new chrome.Options().setChromeBinaryPath(binary).addArguments(...FLAGS);
options.setPageLoadStrategy('eager');
const service = new chrome.ServiceBuilder(process.env.CHROMEDRIVER)
  .setEnvironment({ ...process.env, ...QUIET, DISPLAY: screen.name });
const driver = await new Builder().forBrowser(Browser.CHROME).setChromeOptions(options).setChromeService(service).build();
await driver.manage().setTimeouts({ script: PATIENCE + 5000 });
const up = performance.now();
const result = await play({
  open: async () => {
    await driver.get(`${base}/player`);
    await driver.findElement(By.css('#visualizer'));
  },
  click: (css) => driver.findElement(By.css(css)).click(),
  wait: async (before) => {
    const seen = await driver.executeAsyncScript(`
      const done = arguments[arguments.length - 1];
      (${newPicture})(arguments[0], arguments[1]).then(done, (e) => done({ error: String(e) }));`, before, PATIENCE);
    if (seen.error) throw new Error(seen.error);
    return seen;
  },
  // Selenium cannot mask anything: it does a little less than the others here.
  shot: async (path) => writeFile(path, await driver.takeScreenshot(), 'base64'),
  ask: () => driver.executeScript(facts),
}, out, wantFacts);
await driver.quit();
await screen.end();
tell(out, { up, ...result });
