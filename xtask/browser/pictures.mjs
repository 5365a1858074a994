// Takes the pictures of a report's page for the documents: node pictures.mjs CHROMIUM PAGE FOLDER.
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';

const [chromium, file, folder] = process.argv.slice(2);
const browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox', '--disable-gpu'] });
const views = [
  { name: 'report-light', scheme: 'light', width: 900, height: 760 },
  { name: 'report-dark', scheme: 'dark', width: 900, height: 760, at: '#figures' },
  { name: 'report-narrow', scheme: 'light', width: 390, height: 844 },
];
for (const { name, scheme, width, height, at } of views) {
  const page = await browser.newPage();
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.goto(pathToFileURL(resolve(file)).href, { waitUntil: 'load' });
  if (at) {
    // What is out of sight is not laid out yet, and would move what was scrolled to.
    await page.addStyleTag({ content: 'article,.part{content-visibility:visible!important}' }).catch(() => {});
    await page.evaluate((at) => document.querySelector(at).scrollIntoView(), at);
  }
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await page.close();
}
await browser.close();
