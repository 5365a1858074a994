// Opens report pages in a real browser: node report.mjs CHROMIUM FOLDER. The folder holds page.html and large.html; screenshots
// are put there too.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';

const [chromium, folder] = process.argv.slice(2);
const axe = readFileSync(join(import.meta.dirname ?? '.', 'node_modules/axe-core/axe.min.js'), 'utf8');
const address = (name) => pathToFileURL(resolve(folder, name)).href;
const browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox', '--disable-gpu'] });
let passed = 0;
let failed = 0;

function check(what, right, detail = '') {
  console.log(`${right ? 'ok   ' : 'FAIL '} ${what}${right ? '' : `: ${detail}`}`);
  if (right) { passed += 1; } else { failed += 1; }
}

async function open(name, setUp = async () => {}) {
  const page = await browser.newPage();
  const said = [];
  const asked = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('dialog', (dialog) => { said.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', (request) => { if (request.url() !== address(name)) { asked.push(request.url()); } });
  await setUp(page);
  const begun = performance.now();
  await page.goto(address(name), { waitUntil: 'load' });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  return { page, said, asked, took: performance.now() - begun };
}

for (const scheme of ['light', 'dark']) {
  const { page, said, asked } = await open('page.html', async (page) => {
    await page.setViewport({ width: 1100, height: 900 });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  });
  check(`${scheme}: nothing is said on the console`, said.length === 0, said.join('; '));
  check(`${scheme}: nothing is asked for`, asked.length === 0, asked.join('; '));
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  check(`${scheme}: it looks so`, (paper === 'rgb(255, 255, 255)') === (scheme === 'light'), paper);
  // What is out of sight is not laid out, and axe looks at what is seen.
  await page.addStyleTag({ content: 'article,.part{content-visibility:visible!important}' }).catch(() => {});
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  check(`${scheme}: axe finds nothing`, found.violations.length === 0,
    found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`).join('; '));
  check(`${scheme}: axe has looked`, found.passes.length > 20, String(found.passes.length));
  check(`${scheme}: hostile names are text`, await page.evaluate(() => document.querySelectorAll('img, script').length === 0
    && document.body.innerText.includes('<img src=x onerror=alert(1)>') && document.body.innerText.includes('[U+202E]')));
  check(`${scheme}: no link leads to a script`, await page.evaluate(() => [...document.links].every((link) => /^(https:|file:)/.test(link.href))));
  check(`${scheme}: each plot has a title and a description`, await page.evaluate(() => {
    const plots = [...document.querySelectorAll('svg')];
    return plots.length >= 3 && plots.every((plot) => plot.querySelector('title')?.textContent && plot.querySelector('desc')?.textContent);
  }));
  await page.screenshot({ path: join(folder, `${scheme}.png`), fullPage: true });
  for (const width of [360, 768]) {
    await page.setViewport({ width, height: 800 });
    const out = await page.evaluate((width) => [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > width + 1
      && !one.closest('.skip, svg')).map((one) => one.outerHTML.slice(0, 80)), width);
    check(`${scheme}: nothing stands out at a width of ${width}`, out.length === 0, out.slice(0, 4).join(' | '));
    await page.screenshot({ path: join(folder, `${scheme}-${width}.png`), fullPage: true });
  }
  await page.close();
}

{
  const { page } = await open('page.html', (page) => page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]));
  await page.emulateMediaType('print');
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  check('it is printed black on white', paper === 'rgb(255, 255, 255)', paper);
  writeFileSync(join(folder, 'page.pdf'), await page.pdf({ format: 'A4', preferCSSPageSize: true }));
  await page.close();
}

{
  const { page, said, took } = await open('large.html');
  const count = await page.evaluate(() => document.querySelectorAll('article, main tbody tr').length);
  check('10,000 findings are there', count >= 10000, String(count));
  check(`10,000 findings open in under 2 s (${took.toFixed(0)} ms)`, took < 2000 && said.length === 0, said.join('; '));
  await page.close();
}

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
