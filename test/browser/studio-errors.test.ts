import type { Browser } from 'playwright-core';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
import { startBrowser } from './chromium';
import { intercept, loseAnswers, refuse, storedOrders, StudioPage } from './studio-page';

jest.setTimeout(120_000);

let browser: Browser;
let gateway: TestGateway;
let studio: StudioPage;
let modelId: string;

beforeAll(async () => {
  browser = await startBrowser();
  gateway = await TestGateway.start();
  modelId = await gateway.client.trained(await gateway.client.upload());
  const { id } = await gateway.client.generate(modelId, [{ count: 2 }]);
  await gateway.client.generationEnd(id);
});
afterAll(async () => {
  await browser.close();
  await gateway.stop();
});
beforeEach(async () => {
  studio = await StudioPage.open(browser, gateway.url);
});
afterEach(() => studio.context.close());

/** Answers an operation with an error of the server, until the returned function is called. */
const fail = (operation: string): Promise<() => void> =>
  refuse(studio.page, operation, 'INTERNAL_SERVER_ERROR');

const openPage = (name: string): Promise<void> =>
  studio.page.getByRole('link', { name, exact: true }).click();

/** As if another tab was in front. */
const setHidden = (isHidden: boolean): Promise<void> =>
  studio.page.evaluate(`
    Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));`);

const generationCount = async (): Promise<number> => {
  const { generations } = await gateway.client.request<{ generations: { totalCount: number } }>(
    '{ generations { totalCount } }',
  );
  return generations.totalCount;
};

describe('the studio when a request fails', () => {
  it.each([
    ['Models', 'Models', (): Promise<void> => studio.page.getByRole('heading', { name: 'Models' }).waitFor()],
    ['Avatars', 'Avatars', (): Promise<void> => studio.expectAvatars(2)],
    ['Account', 'Account', (): Promise<void> => studio.page.getByText('Trainings today').waitFor()],
  ])('says so on the page %s, and loads again when asked', async (name, operation, expectContent) => {
    await studio.page.getByText('Your models').waitFor();
    const accept = await fail(`query ${operation}`);
    await openPage(name);
    if (name === 'Models') await studio.page.getByLabel('Status').selectOption('Ready');
    await studio.page.getByRole('alert').getByText('Refused by the test.').waitFor();
    accept();
    await studio.button('Try again').click();
    await expectContent();
    expect(await studio.page.getByRole('alert').count()).toBe(0);
  });

  it('says that an answer takes long or a picture is not loaded, and shows it when it comes', async () => {
    await studio.page.clock.install();
    await studio.page.reload();
    let answer = (): void => undefined;
    await intercept(studio.page, 'query Avatars', async (route) => {
      await new Promise<void>((resolve) => (answer = resolve));
      await route.fallback();
    });
    await openPage('Avatars');
    await studio.page.getByText('Loading …').waitFor();
    await studio.page.clock.fastForward(10_000);
    await studio.page.getByText('The server takes longer than usual').waitFor();
    let isLost = true;
    await studio.page.route('**/media/avatars/**', (route) => (isLost ? route.abort() : route.fallback()));
    answer();
    await studio.expectAvatars(2);
    // The browser still has the cover of the model.
    const missing = studio.page.getByText('Not loaded');
    await until(async () => {
      await studio.page.clock.fastForward(isLost ? 15_000 : 60_000);
      isLost &&= (await missing.count()) === 0;
      return !isLost && (await missing.count()) === 0;
    });
  });

  it('asks again when an answer never comes', async () => {
    await studio.page.clock.install();
    const answer = await intercept(studio.page, 'query Session', () => Promise.resolve());
    await studio.page.reload();
    await studio.page.clock.fastForward(30_000);
    await studio.page.getByRole('alert').getByText('The server cannot be reached.').waitFor();
    answer();
    await studio.page.clock.fastForward(3_000);
    await studio.page.getByText('Your models').waitFor();
    const answerPage = await intercept(studio.page, 'query Avatars', () => Promise.resolve());
    await openPage('Avatars');
    await studio.page.getByText('Loading …').waitFor();
    await studio.page.clock.fastForward(30_000);
    answerPage();
    await studio.button('Try again').click();
    await studio.expectAvatars(2);
  });

  it('shows what was not changed or deleted, and why', async () => {
    await openPage('Avatars');
    await studio.expectAvatars(2);
    const accept = await fail('mutation');
    await studio.page
      .getByRole('button', { name: /^Favorite/ })
      .first()
      .click();
    await studio.expectMessage(/It was not changed.*Refused by the test/);
    expect(await studio.page.locator('.avatar-tools [aria-pressed=true]').count()).toBe(0);
    await studio.avatars.first().click();
    await studio.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await studio.page
      .getByRole('dialog', { name: 'Delete this avatar?' })
      .getByText('Delete', { exact: true })
      .click();
    await studio.page.getByRole('alert').getByText('Refused by the test.').waitFor();
    await studio.screenshot('not-deleted');
    accept();
    await studio.page.getByRole('dialog', { name: 'Delete this avatar?' }).getByText('Keep').click();
    expect(await studio.page.getByRole('dialog').getByText('1 of 2').isVisible()).toBe(true);
  });

  it('says what to do when a part of the page fails', async () => {
    const repair = await intercept(studio.page, 'query Avatars', async (route) => {
      const response = await route.fetch();
      const text = (await response.text()).replaceAll(/"thumbhash":"[^"]+"/g, '"thumbhash":"?"');
      await route.fulfill({ response, body: text });
    });
    await openPage('Avatars');
    const page = studio.page.getByRole('main');
    await page.getByRole('alert').getByText('The studio has stopped').waitFor();
    expect(await page.innerText()).toContain('nothing that you ordered is lost');
    await studio.screenshot('stopped');
    await studio.button('Go to the start page').click();
    await studio.page.getByText('Your models').waitFor();
    await openPage('Avatars');
    await page.getByText('The studio has stopped').waitFor();
    repair();
    await studio.button('Load the page again').click();
    await studio.expectAvatars(2);
  });

  it('loads pictures again that did not arrive, and shows and saves them after their URLs have expired', async () => {
    await studio.page.getByText('Your models').waitFor();
    let lost = 0;
    await studio.page.route('**/media/avatars/**', (route) =>
      lost++ < 1 ? route.abort() : route.fallback(),
    );
    await intercept(studio.page, 'query Avatars', async (route) => {
      const response = await route.fetch();
      const text = await response.text();
      await route.fulfill({
        response,
        body: text.replaceAll(/("(?:largeUrl|downloadUrl)":"[^"]+expires=)\d+/g, '$11000000000'),
      });
    });
    await openPage('Avatars');
    await studio.page.locator('.avatar-tile .picture-image.loaded').nth(1).waitFor();
    expect(lost).toBeGreaterThan(1);
    const saving = studio.page.waitForEvent('download');
    await studio.page
      .getByRole('link', { name: /^Download / })
      .first()
      .click();
    const download = await saving;
    expect(download.suggestedFilename()).toMatch(/[.]jpg$/);
    expect(await download.failure()).toBeNull();
    await studio.avatars.last().click();
    await studio.page.locator('dialog .picture-image.loaded').waitFor();
  });

  it('keeps a message until it could be seen', async () => {
    await studio.page.clock.install();
    await studio.page.reload();
    await studio.page.getByText('Your models').waitFor();
    await setHidden(true);
    const { id } = await gateway.client.generate(modelId, [{ count: 1 }]);
    await gateway.client.generationEnd(id);
    await studio.expectMessage('1 avatar');
    await studio.page.clock.fastForward(600_000);
    await studio.expectMessage('1 avatar');
    await setHidden(false);
    await studio.page.clock.fastForward(20_000);
    await studio.page.getByRole('log').getByText('1 avatar').waitFor({ state: 'detached' });
    await gateway.client.delete('deleteGeneration', id);
  });

  it('explains a broken address', async () => {
    await studio.page.goto(`${gateway.url}/#/models/%E0%A4%A`);
    await studio.page.getByRole('heading', { name: 'Model not found' }).waitFor();
    expect(studio.complaints).toEqual([]);
  });
});

/** Waits until the next faults are for the next generation, not for those of earlier tests that wait. */
const untilNoneRuns = (): Promise<void> => {
  const running = `SELECT FROM generations WHERE status IN ('QUEUED', 'SUBMITTING', 'GENERATING')`;
  return until(async () => (await gateway.rows(running)).length === 0);
};

describe('an order of avatars in the studio', () => {
  beforeEach(async () => {
    await studio.page.goto(`${gateway.url}/#/models/${modelId}`);
    await studio.expectReady();
  });

  it('is made once for a double click with the answer between the clicks, and again a second later', async () => {
    await studio.page.clock.install();
    await studio.page.reload();
    await studio.expectReady();
    await studio.expectAvatars(2);
    await studio.page.clock.pauseAt(Date.now() + 60_000);
    const before = await generationCount();
    let lists = 0;
    studio.page.on('request', (request) => {
      if (request.postData()?.includes('query Generations')) lists++;
    });
    await studio.button(/^Make 2/).click();
    await until(async () => (await generationCount()) === before + 1);
    await until(async () => (await storedOrders(studio.page)).length === 0);
    // The clock stands still: for the answer and the events after it, the list is read once.
    expect(lists).toBeLessThanOrEqual(1);
    await studio.button('Sending …').dispatchEvent('click');
    await studio.page.clock.fastForward(2_000);
    await studio.button(/^Make 2/).click();
    await studio.page.clock.resume();
    await studio.expectAvatars(6);
    expect(await generationCount()).toBe(before + 2);
  });

  it('is made once while a key is held down', async () => {
    const before = await generationCount();
    await studio.button(/^Make 2/).focus();
    await studio.page.keyboard.down('Enter');
    await until(async () => (await generationCount()) > before);
    await studio.button(/^Make 2/).waitFor();
    await studio.page.keyboard.down('Enter');
    await studio.page.keyboard.up('Enter');
    expect(await storedOrders(studio.page)).toEqual([]);
    expect(await generationCount()).toBe(before + 1);
  });

  it('is kept while the browser is offline, and sent once when it is online', async () => {
    const before = await generationCount();
    await studio.context.setOffline(true);
    await studio.page.getByText('You are offline.').waitFor();
    await studio.button(/^Make 2/).click();
    await studio.button('Sending …').waitFor();
    expect(await storedOrders(studio.page)).toHaveLength(1);
    await openPage('Models');
    await studio.expectMessage('An order is not confirmed yet.');
    await studio.context.setOffline(false);
    await studio.page.getByText('You are offline.').waitFor({ state: 'detached' });
    await studio.page.getByRole('link', { name: 'Open it' }).click();
    await until(async () => (await storedOrders(studio.page)).length === 0);
    expect(await generationCount()).toBe(before + 1);
  });

  it('is made once if the page is loaded again before the answer', async () => {
    const before = await generationCount();
    const answer = await loseAnswers(studio.page, 'mutation');
    await studio.button(/^Make 2/).click();
    await until(async () => (await generationCount()) === before + 1);
    await studio.page.reload();
    answer();
    await until(async () => (await storedOrders(studio.page)).length === 0);
    expect(await generationCount()).toBe(before + 1);
  });

  it('has a place for each picture, and can be cancelled and deleted', async () => {
    await untilNoneRuns();
    await gateway.sandbox.fault({ on: 'generate', kind: 'never-done' });
    const { id } = await gateway.client.generate(modelId, [{ style: 'noir', count: 3 }]);
    const card = studio.page.getByRole('article', { name: /^Noir/ });
    await card.getByText('Being made').nth(2).waitFor();
    // The fault is for this generation, and not for that of the next test.
    await until(async () => (await gateway.client.generation(id))?.status === 'GENERATING');
    await card.getByRole('button', { name: 'Cancel' }).click();
    // It is charged all the same.
    const question = studio.page.getByRole('dialog', { name: 'Cancel it although it is charged?' });
    await question.getByRole('button', { name: 'Keep' }).click();
    expect(await gateway.client.generation(id)).toMatchObject({ status: 'GENERATING' });
    await card.getByRole('button', { name: 'Cancel' }).click();
    await question.getByRole('button', { name: 'Cancel it' }).click();
    await card.getByText('Cancelled').waitFor();
    await card.and(studio.page.locator(':focus')).waitFor();
    expect(await card.getByText('Being made').count()).toBe(0);
    expect(await gateway.client.generation(id)).toMatchObject({ status: 'CANCELLED' });
    await card.getByRole('button', { name: 'Delete Noir' }).click();
    await studio.page
      .getByRole('dialog', { name: 'Delete these avatars?' })
      .getByText('Delete', { exact: true })
      .click();
    await card.waitFor({ state: 'detached' });
    await studio.page.locator('main article:focus').waitFor();
    expect(await gateway.client.generation(id)).toBeNull();
  });

  it('is repeated once if the page is loaded again before the answer, also while it runs', async () => {
    await untilNoneRuns();
    await gateway.sandbox.fault({ on: 'generate', kind: 'failed' });
    const { id } = await gateway.client.generate(modelId, [{ style: 'watercolor', count: 1 }]);
    await gateway.client.generationEnd(id);
    const card = studio.page.getByRole('article', { name: /^Watercolor/ });
    await card.getByRole('button', { name: 'Order again' }).waitFor();
    await gateway.sandbox.fault({ on: 'generate', kind: 'never-done' });
    const answer = await loseAnswers(studio.page, 'retryGeneration');
    await card.getByRole('button', { name: 'Order again' }).click();
    await until(async () => (await gateway.client.generation(id))?.attempt === 2);
    expect(await storedOrders(studio.page)).toHaveLength(1);
    await studio.page.reload();
    answer();
    await card.getByRole('progressbar').waitFor();
    await until(async () => (await storedOrders(studio.page)).length === 0);
    expect((await gateway.client.generation(id))?.attempt).toBe(2);
    await gateway.client.change('cancelGeneration', id);
  });
});
