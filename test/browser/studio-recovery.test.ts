import type { Browser } from 'playwright-core';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
import { startBrowser } from './chromium';
import { fillStorage, loseAnswers, photos, refuse, storedOrders, StudioPage } from './studio-page';

/** At this speed a training takes 6 s. */
const SANDBOX_SPEED = '200';

jest.setTimeout(120_000);

let browser: Browser;
let gateway: TestGateway;

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());
beforeEach(async () => {
  gateway = await TestGateway.start({ SANDBOX_SPEED });
});
afterEach(() => gateway.stop());

const modelCount = async (): Promise<number> => {
  const { models } = await gateway.client.request<{ models: { totalCount: number } }>(
    '{ models { totalCount } }',
  );
  return models.totalCount;
};

/** Opens the studio with a training that can be ordered. */
async function openTraining(name: string): Promise<StudioPage> {
  const studio = await StudioPage.open(browser, gateway.url);
  await studio.choosePhotos(await photos(5));
  await studio.chooseType('Woman');
  await studio.page.getByLabel('Name (optional)').fill(name);
  return studio;
}

/** Orders a training that is executed, but not answered. */
async function trainUnanswered(studio: StudioPage, count = 1): Promise<() => void> {
  const answer = await loseAnswers(studio.page, 'trainModel');
  await studio.button('Train the model').click();
  await studio.button('Sending …').waitFor();
  await until(async () => (await modelCount()) === count);
  return answer;
}

describe('the studio after an interruption', () => {
  it('trains once for a double click, lost answers and a reload', async () => {
    const studio = await StudioPage.open(browser, gateway.url);
    await studio.choosePhotos(await photos(5));
    await studio.chooseType('Woman');
    await studio.page.getByLabel('Name (optional)').fill('Grace');
    const answer = await loseAnswers(studio.page, 'trainModel');
    await studio.button('Train the model').dblclick();
    await studio.button('Sending …').waitFor();
    await until(async () => (await modelCount()) === 1);
    await studio.page.reload();
    await studio.button('Sending …').waitFor();
    answer();
    await studio.page.getByRole('heading', { level: 1, name: 'Grace' }).waitFor();
    expect(await modelCount()).toBe(1);
    await studio.page.getByRole('link', { name: 'Create', exact: true }).click();
    await studio.page.getByText('5 more usable photos are needed.').waitFor();
    await studio.context.close();
  });

  it('trains once for lost answers and a reload when the storage of the browser is full', async () => {
    const studio = await openTraining('Grace');
    await fillStorage(studio.page, 'localStorage');
    const answer = await trainUnanswered(studio);
    await studio.page.reload();
    await studio.button('Sending …').waitFor();
    await studio.page.getByText('5 of 5 usable.').waitFor();
    answer();
    await studio.page.getByRole('heading', { level: 1, name: 'Grace' }).waitFor();
    expect(await modelCount()).toBe(1);
    expect(await studio.page.evaluate('Object.keys(sessionStorage)')).toEqual([]);
    await studio.context.close();
  });

  it('says that an order cannot be kept before it is sent, and orders once if asked again', async () => {
    const studio = await openTraining('Grace');
    await fillStorage(studio.page, 'localStorage');
    await fillStorage(studio.page, 'sessionStorage');
    await studio.button('Train the model').dblclick();
    await studio.page.getByRole('alert').getByText('ORDER_NOT_KEPT').waitFor();
    const answer = await loseAnswers(studio.page, 'trainModel');
    await until(async () => {
      await studio.button(/^(Train the model|Sending …)$/).dispatchEvent('click');
      return (await modelCount()) === 1;
    });
    const question = studio.page.waitForEvent('dialog');
    const left = studio.page.goto('about:blank').catch(() => undefined);
    await (await question).dismiss();
    await left;
    await studio.page.getByRole('link', { name: 'Models', exact: true }).click();
    await studio.page.getByRole('heading', { level: 1, name: 'Models' }).waitFor();
    answer();
    await studio.page.getByRole('link', { name: 'Create', exact: true }).click();
    await studio.page.getByRole('heading', { level: 1, name: 'Grace' }).waitFor();
    expect(await modelCount()).toBe(1);
    await studio.context.close();
  });

  it('removes drafts, but no order, to keep an order', async () => {
    const studio = await openTraining('Grace');
    // A stored draft and an order of another owner, which fill the storage.
    await studio.page.evaluate(`
      const createdAt = Date.now();
      localStorage.setItem('likeness.draft.another', JSON.stringify('x'.repeat(5_000)));
      localStorage.setItem('likeness.order/another/train/key', JSON.stringify({ createdAt }));`);
    await fillStorage(studio.page, 'localStorage');
    await refuse(studio.page, 'trainModel', 'FORBIDDEN');
    await studio.button('Train the model').click();
    await studio.page.getByRole('alert').getByText('The order is kept for 24 hours').waitFor();
    expect(await storedOrders(studio.page)).toHaveLength(2);
    await studio.context.close();
  });

  it('trains once if an order without an answer is refused, and ordered again', async () => {
    const studio = await openTraining('Grace');
    const answer = await trainUnanswered(studio);
    const accept = await refuse(studio.page, 'trainModel', 'QUERY_NOT_ALLOWED');
    await studio.page.getByRole('alert').getByText('QUERY_NOT_ALLOWED').waitFor();
    answer();
    accept();
    await studio.button('Train the model').click();
    await studio.page.getByRole('heading', { level: 1, name: 'Grace' }).waitFor();
    expect(await modelCount()).toBe(1);
    expect(await storedOrders(studio.page)).toEqual([]);
    await studio.context.close();
  });

  it.each(['query Models', 'mutation'])(
    'asks for another key when a %s is not authenticated, and keeps photos, details and orders',
    async (operation) => {
      const studio = await openTraining('Grace');
      const isOrder = operation === 'mutation';
      const answer = isOrder ? await trainUnanswered(studio) : (): void => undefined;
      if (!isOrder) {
        await studio.page.route('**/uploads/**', () => undefined, { times: 1 });
        await studio.page.getByLabel('Photos', { exact: true }).setInputFiles(await photos(1, 6));
        await studio.page.getByText('1 on the way.').waitFor();
      }
      const accept = await refuse(studio.page, operation, 'UNAUTHENTICATED');
      if (!isOrder) await studio.page.getByRole('link', { name: 'Models', exact: true }).click();
      await studio.page.getByRole('heading', { name: 'Sign in' }).waitFor();
      answer();
      accept();
      await studio.page.getByLabel('API key or token').fill('another');
      await studio.button('Sign in').click();
      if (!isOrder) {
        await studio.page.getByRole('link', { name: 'Create', exact: true }).click();
        await studio.page.getByText('6 of 6 usable.').waitFor();
        await studio.button('Train the model').click();
      }
      await studio.page.getByRole('heading', { level: 1, name: 'Grace' }).waitFor();
      expect(await modelCount()).toBe(1);
      expect(await storedOrders(studio.page)).toEqual([]);
      await studio.context.close();
    },
  );

  it('does not send an order by itself after another input was ordered in its place', async () => {
    const studio = await openTraining('Grace');
    const accept = await refuse(studio.page, 'trainModel', 'FORBIDDEN');
    await studio.button('Train the model').click();
    await studio.page.getByRole('alert').getByText('FORBIDDEN').waitFor();
    accept();
    await studio.train('Ada');
    await studio.page.getByRole('link', { name: 'Create', exact: true }).click();
    await studio.page.getByText('5 more usable photos are needed.').waitFor();
    await studio.button('Train the model').waitFor();
    expect(await modelCount()).toBe(1);
    expect(await storedOrders(studio.page)).toEqual([expect.stringContaining('"isReplaced":true')]);
    await studio.context.close();
  });

  it('keeps an order that is being sent when another input is ordered', async () => {
    const studio = await openTraining('Grace');
    const answer = await trainUnanswered(studio);
    const before = await storedOrders(studio.page);
    await studio.page.getByLabel('Name (optional)').fill('Ada');
    await studio.button('Sending …').dispatchEvent('click');
    expect(await storedOrders(studio.page)).toEqual(before);
    await studio.page.reload();
    answer();
    await studio.page.getByRole('heading', { level: 1, name: 'Grace' }).waitFor();
    expect(await modelCount()).toBe(1);
    await studio.context.close();
  });

  it('keeps the order of a tab when that of another tab is answered', async () => {
    const one = await openTraining('Grace');
    const other = await StudioPage.open(browser, gateway.url, { context: one.context });
    await other.page.getByText('5 of 5 usable.').waitFor();
    await other.chooseType('Woman');
    await other.page.getByLabel('Name (optional)').fill('Ada');
    const answerOne = await trainUnanswered(one);
    const answerOther = await trainUnanswered(other, 2);
    answerOne();
    await one.page.getByRole('heading', { level: 1, name: 'Grace' }).waitFor();
    await other.page.reload();
    await other.button('Sending …').waitFor();
    answerOther();
    await other.page.getByRole('heading', { level: 1, name: 'Ada' }).waitFor();
    expect(await modelCount()).toBe(2);
    await one.context.close();
  });

  it('trains once for orders of two tabs that do not see each other’s order', async () => {
    const one = await openTraining('Grace');
    const other = await StudioPage.open(browser, gateway.url, { context: one.context });
    await other.page.getByText('5 of 5 usable.').waitFor();
    // What another tab stores is seen a moment later.
    await other.page.evaluate(`
      const { keys } = Object;
      Object.keys = (of) => (of === localStorage ? [] : keys(of));`);
    const answer = await trainUnanswered(one);
    await other.button('Train the model').click();
    await other.page.getByRole('heading', { level: 1, name: 'Grace' }).waitFor();
    answer();
    await one.page.getByRole('heading', { level: 1, name: 'Grace' }).waitFor();
    expect(await modelCount()).toBe(1);
    await one.context.close();
  });

  it('does not send an order of an earlier day, or of before the clock was set back, and says so', async () => {
    const studio = await openTraining('Grace');
    const accept = await refuse(studio.page, 'trainModel', 'FORBIDDEN');
    await studio.button('Train the model').click();
    await studio.page.getByRole('alert').getByText('FORBIDDEN').waitFor();
    accept();
    await studio.page.evaluate(`
      const [key, value] = Object.entries(localStorage).find(([key]) => key.startsWith('likeness.order'));
      const order = JSON.parse(value);
      const keep = (idempotencyKey, hours) =>
        localStorage.setItem(
          key.replace(order.idempotencyKey, idempotencyKey),
          JSON.stringify({ ...order, idempotencyKey, createdAt: Date.now() + hours * 3_600_000 }),
        );
      keep(order.idempotencyKey, -25);
      keep('made-before-the-clock-was-set-back', 20);`);
    expect(await storedOrders(studio.page)).toHaveLength(2);
    // By the clock of the device, the order of an earlier day is five hours old.
    await studio.page.clock.setSystemTime(Date.now() - 20 * 3_600_000);
    await studio.page.reload();
    await studio.page.getByRole('alert').getByText('ORDER_EXPIRED').waitFor();
    await until(async () => (await storedOrders(studio.page)).length === 0);
    expect(await modelCount()).toBe(0);
    expect(await storedOrders(studio.page)).toEqual([]);
    await studio.context.close();
  });

  it('goes on after the gateway has been stopped and started, on a device whose clock is a day late', async () => {
    const studio = await StudioPage.open(browser, gateway.url);
    await studio.page.clock.setSystemTime(Date.now() - 86_400_000);
    await studio.page.reload();
    await studio.choosePhotos(await photos(5));
    await studio.train('Grace');
    await studio.page.getByText(/^Ready (in .*seconds|at any moment)/).waitFor();
    await gateway.end();
    await studio.page.getByText('Connection lost.').waitFor();
    await studio.screenshot('lost-connection');
    await gateway.begin();
    await studio.page.getByText('Connection lost.').waitFor({ state: 'detached' });
    await studio.expectReady();
    await studio.expectMessage('Grace is ready.');
    await studio.context.close();
  });

  it('says what became ready while it was closed', async () => {
    const studio = await StudioPage.open(browser, gateway.url);
    await studio.choosePhotos(await photos(5));
    await studio.train('Grace');
    await studio.page.getByText('Training', { exact: true }).first().waitFor();
    await studio.button('Delete Grace').click();
    await studio.page.getByText('The training has begun, and is charged all the same.').waitFor();
    await studio.button('Keep').click();
    const [, id] = /models\/(.+)/.exec(studio.page.url())!;
    await studio.page.close();
    await gateway.client.modelEnd(id!);
    const reopened = await StudioPage.open(browser, gateway.url, { context: studio.context });
    await reopened.expectMessage('While you were away: Grace is ready.');
    await reopened.page.getByRole('log').getByRole('link', { name: 'Make avatars' }).click();
    await reopened.expectReady();
    await studio.context.close();
  });

  it('shows the same photos, progress and avatars in two tabs', async () => {
    const one = await StudioPage.open(browser, gateway.url);
    const other = await StudioPage.open(browser, gateway.url, { context: one.context });
    await one.choosePhotos(await photos(5));
    await other.page.getByText('5 of 5 usable.').waitFor();
    await one.train('Grace');
    await other.page.getByText('5 more usable photos are needed.').waitFor();
    await other.page.getByRole('link', { name: /^Grace/ }).click();
    await other.expectReady();
    await one.expectReady();
    await one.button('Make 2 avatars').click();
    await other.expectAvatars(2);
    await one.expectAvatars(2);
    await one.avatars.first().click();
    await one.page.getByRole('dialog').getByRole('button', { name: 'Favorite' }).click();
    await other.page.getByRole('button', { name: /^Favorite/, pressed: true }).waitFor();
    expect(await modelCount()).toBe(1);
    await one.context.close();
  });
});
