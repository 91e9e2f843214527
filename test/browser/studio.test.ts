import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { builtStudioFolder } from '../../src/http/studio/studio';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
import { startBrowser } from './chromium';
import { photos, StudioPage } from './studio-page';

/** At this speed a training takes 3 s, so that its progress is visible. */
const SANDBOX_SPEED = '400';
/** Of everything that is loaded before a photo is chosen, compressed. */
const maxFirstViewBytes = 200_000;

jest.setTimeout(120_000);

let browser: Browser;
let gateway: TestGateway;
let studio: StudioPage;

beforeAll(async () => {
  browser = await startBrowser();
  // It permits only what the build has listed: all other operations would be complaints of the browser.
  const PERSISTED_QUERIES = join(builtStudioFolder, 'persisted-queries.json');
  gateway = await TestGateway.start({ SANDBOX_SPEED, PERSISTED_QUERIES, PERSISTED_QUERIES_ONLY: 'true' });
});
afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

describe('the studio', () => {
  it('opens with less than 200 kB', async () => {
    studio = await StudioPage.open(browser, gateway.url);
    await studio.page.waitForLoadState('networkidle');
    expect(studio.receivedBytes).toBeGreaterThan(20_000);
    expect(studio.receivedBytes).toBeLessThan(maxFirstViewBytes);
    await studio.screenshot('1-start');
  });

  it('checks each photo, says what is wrong with one, and takes another in its place', async () => {
    const [good, [spare]] = [await photos(4), await photos(1, 5)];
    const bad = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('not a photo') };
    await studio.choosePhotos([...good, bad], 4);
    const tile = studio.page.getByRole('listitem').filter({ hasText: 'notes.txt' });
    await tile.getByText('Cannot be used').waitFor();
    await tile.getByText('JPEG, PNG, WebP').waitFor();
    await studio.page.getByText('1 more usable photo is needed.').waitFor();
    await studio.screenshot('2-bad-photo');
    const opened = studio.page.waitForEvent('filechooser');
    await studio.button('Replace notes.txt').click();
    await (await opened).setFiles(spare!);
    await studio.page.getByText('5 of 5 usable.').waitFor();
    expect(await studio.page.getByText('Cannot be used').count()).toBe(0);
  });

  it('keeps photos, type and name over a reload', async () => {
    await studio.chooseType('Woman');
    await studio.page.getByLabel('Name (optional)').fill('Grace');
    await studio.page.reload();
    await studio.page.getByText('5 of 5 usable.').waitFor();
    expect(await studio.page.getByRole('radio', { name: 'Woman', exact: true }).isChecked()).toBe(true);
    expect(await studio.page.getByLabel('Name (optional)').inputValue()).toBe('Grace');
  });

  it('trains with a bar that moves forward, and says when the model is ready', async () => {
    await studio.train('Grace');
    const bar = studio.page.getByRole('progressbar', { name: 'Training of Grace' });
    await bar.waitFor();
    const seen: number[] = [];
    const spoken: string[] = [];
    // Both are read at one moment.
    const read = `(() => {
      const bar = document.querySelector('[role=progressbar]');
      return bar && [bar.ariaValueNow, bar.parentElement.querySelector('[role=status]').textContent];
    })()`;
    await until(async () => {
      const shown = await studio.page.evaluate<[string, string] | null>(read);
      if (shown !== null && shown[0] !== String(seen.at(-1))) {
        seen.push(Number(shown[0]));
        spoken.push(shown[1]);
      }
      return shown === null;
    });
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(seen).toEqual([...seen].sort((one, other) => one - other));
    // Screen readers read quarters.
    expect(spoken).toEqual(
      seen.map((value) => (value < 25 ? '' : `Training of Grace: ${Math.floor(value / 25) * 25} percent`)),
    );
    await studio.expectMessage('Grace is ready.');
    await studio.expectReady();
  });

  it('makes avatars in several styles, chosen by example pictures', async () => {
    await studio.page.getByRole('checkbox', { name: 'Watercolor' }).check();
    await studio.page.getByLabel('What should be in the picture? (optional)').fill('at the sea');
    const count = studio.page.getByRole('group', { name: 'Pictures per style' });
    for (let more = 2; more < 8; more += 1) await count.getByRole('button', { name: 'More' }).click();
    await count.getByRole('button', { name: 'More' }).dispatchEvent('click');
    await studio.button('Make 16 avatars').waitFor();
    for (let fewer = 8; fewer > 2; fewer -= 1) await count.getByRole('button', { name: 'Fewer' }).click();
    await studio.screenshot('3-styles');
    await studio.button('Make 4 avatars').click();
    await studio.expectAvatars(4);
    await studio.expectMessage('4 avatars of Grace finished.');
    // The order is sent: what was ordered is not there for another one.
    await until(
      async () =>
        (await studio.page.getByLabel('What should be in the picture? (optional)').inputValue()) === '',
    );
    await studio.screenshot('4-avatars');
  });

  it('shows an avatar large, steps to the next, marks, saves and deletes', async () => {
    await studio.avatars.first().click();
    const large = studio.page.getByRole('dialog').first();
    await large.getByText('1 of 4').waitFor();
    await large.getByText('the sandbox, without AI').waitFor();
    await studio.page.keyboard.press('ArrowRight');
    await large.getByText('2 of 4').waitFor();
    await large.getByRole('button', { name: 'Favorite' }).click();
    await large.locator('button[aria-pressed=true]').waitFor();
    await studio.screenshot('5-large');
    const [download] = await Promise.all([
      studio.page.waitForEvent('download'),
      large.getByRole('link', { name: 'Download' }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^(realistic|watercolor)-at-the-sea-\d\.jpg$/);
    await large.getByRole('button', { name: 'Delete' }).click();
    await studio.page
      .getByRole('dialog', { name: 'Delete this avatar?' })
      .getByText('Delete', { exact: true })
      .click();
    await large.getByText('2 of 3').waitFor();
    await studio.page.keyboard.press('Escape');
    await until(async () => (await studio.avatars.count()) === 3);
    // The picture is closed and the page is not left, also if it was opened while another was being closed.
    await studio.page.evaluate(`(() => {
      document.querySelector('.avatar-open').click();
      addEventListener('popstate', () => (document.body.dataset.left = ''), { once: true });
      setTimeout(() => document.querySelector('dialog [aria-label=Close]').click());
      setTimeout(() => document.querySelectorAll('.avatar-open')[2].click());
    })()`);
    await studio.page.locator('body[data-left]').waitFor({ state: 'attached' });
    await large.getByText('3 of 3').waitFor();
    await studio.page.goBack();
    await large.waitFor({ state: 'detached' });
    expect(await studio.avatars.count()).toBe(3);
    // After a reload nothing is open, and Back leaves the page.
    await studio.avatars.first().click();
    await large.getByText('1 of 3').waitFor();
    await studio.page.reload();
    await studio.expectAvatars(3);
    await until(async () => (await studio.page.evaluate('history.state')) === null);
    await studio.page.goBack();
    await studio.page.getByRole('heading', { name: 'Avatars from your photos' }).waitFor();
    await studio.page.goForward();
    await studio.expectAvatars(3);
  });

  it('downloads all as an archive', async () => {
    const [download] = await Promise.all([
      studio.page.waitForEvent('download'),
      studio.page.getByRole('article').getByRole('button', { name: 'Download all' }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/\.zip$/);
  });

  it('has lists of models and avatars with filters', async () => {
    await studio.page.getByRole('link', { name: 'Models', exact: true }).click();
    await studio.page.getByRole('link', { name: /Grace/ }).waitFor();
    await studio.page.getByLabel('Status').selectOption('In progress');
    await studio.page.getByText('No models here.').waitFor();
    await studio.page.getByRole('link', { name: 'Avatars', exact: true }).click();
    await studio.expectAvatars(3);
    await studio.page.getByLabel('Style').selectOption('Watercolor');
    await until(async () => [1, 2].includes(await studio.avatars.count()));
  });

  it('shows the operations of each step to developers', async () => {
    await studio.button('Developer').click();
    const panel = studio.page.getByRole('complementary', { name: 'GraphQL operations' });
    await panel.getByText('Avatars', { exact: true }).first().click();
    await panel.getByText('query Avatars(').first().waitFor();
    const variables = panel.getByRole('region', { name: 'Variables of Avatars' }).first();
    expect(JSON.parse(await variables.innerText())).toMatchObject({ filter: { styles: ['watercolor'] } });
    await studio.screenshot('6-developer');
    await studio.button('Developer').click();
  });

  it('exports and erases everything, also what another window shows', async () => {
    const other = await StudioPage.open(browser, `${gateway.url}/#/models`, { context: studio.context });
    await other.page.getByRole('link', { name: /^Grace/ }).waitFor();
    await studio.page.getByRole('link', { name: 'Account', exact: true }).click();
    await studio.page.getByText('Trainings today').waitFor();
    const [download] = await Promise.all([
      studio.page.waitForEvent('download'),
      studio.button('Export my data').click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/\.zip$/);
    await studio.button('Erase my data').click();
    await studio.page.getByText('Those that have begun are charged all the same.').waitFor();
    const erase = studio.button('Erase');
    expect(await erase.isDisabled()).toBe(true);
    await studio.page.getByLabel('Type DELETE to confirm').fill('DELETE');
    await erase.click();
    await studio.page.getByText('Your receipt:').waitFor();
    await studio.page.getByRole('link', { name: 'Models', exact: true }).click();
    await studio.page.getByText('No models here.').waitFor();
    await other.page.getByText('No models here.').waitFor();
  });

  it('loads from the server only, without complaints of the browser', () => {
    expect(studio.complaints).toEqual([]);
    const elsewhere = studio.requests.filter(
      (url) => !url.startsWith(`${gateway.url}/`) && !/^(blob|data):/.test(url),
    );
    expect(elsewhere).toEqual([]);
  });
});
