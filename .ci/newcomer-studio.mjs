// Makes the first avatar in the studio, in Chromium, as a newcomer does: chooses photos, trains, orders, until a picture is
// on screen. Prints the seconds of each step.
//   node .ci/newcomer-studio.mjs <Chromium> <URL> <folder of photos> [screenshot.png]
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { chromium } from 'playwright-core';

const [executablePath, url, folder, screenshot] = process.argv.slice(2);
const maxPhotos = 30;
/** A training of the sandbox takes 20 s. */
const timeoutMs = 180_000;

let beganMs = performance.now();
const report = (step) => {
  const nowMs = performance.now();
  console.log(`${((nowMs - beganMs) / 1_000).toFixed(1).padStart(6)} s    ${step}`);
  beganMs = nowMs;
};

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 960 } });
  page.setDefaultTimeout(timeoutMs);
  await page.goto(url);
  await page.getByRole('heading', { level: 1 }).waitFor();
  report('the studio is shown');
  const files = (await readdir(folder)).sort().slice(0, maxPhotos);
  await page.getByLabel('Photos', { exact: true }).setInputFiles(files.map((name) => join(folder, name)));
  await page.getByRole('radio', { name: 'Woman', exact: true }).check();
  await page.getByText(`${files.length} of ${files.length} usable.`).waitFor();
  report('photos are uploaded and checked');
  await page.getByRole('button', { name: 'Train the model', exact: true }).click();
  const order = page.getByRole('button', { name: /^Make \d+ avatar/ });
  await order.waitFor();
  report('the model is ready');
  await order.click();
  await page.locator('.avatar-tile .picture-image.loaded').first().waitFor();
  report('an avatar is on screen');
  if (screenshot !== undefined) {
    await page.locator('.avatar-tile .picture-image.loaded').nth(1).waitFor();
    await page.screenshot({ path: screenshot });
  }
} finally {
  await browser.close();
}
