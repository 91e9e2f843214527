import type { Browser } from 'playwright-core';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
import { startBrowser } from './chromium';
import { intercept, photos, StudioPage } from './studio-page';

jest.setTimeout(120_000);

let browser: Browser;
let gateway: TestGateway;
let studio: StudioPage;
let modelId: string;

beforeAll(async () => {
  browser = await startBrowser();
  const PRICES = 'sandbox.training=0.90,sandbox.generation=0.001/avatar,sandbox.instant=0.03/avatar';
  gateway = await TestGateway.start({ PRICES, CURRENCY: 'EUR', QUOTA_SPEND_PER_DAY: '1' });
});
afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

const openPage = (window: StudioPage, name: string): Promise<void> =>
  window.page.getByRole('link', { name, exact: true }).click();

const generate = async (count: number): Promise<string> => {
  const { id } = await gateway.client.generate(modelId, [{ count }]);
  await gateway.client.generationEnd(id);
  return id;
};

describe('the studio while things change elsewhere', () => {
  it('shows notices, usage, and models whose status matches the filter', async () => {
    studio = await StudioPage.open(browser, gateway.url);
    await openPage(studio, 'Account');
    await studio.page.getByText('There are no notices.').waitFor();
    const other = await StudioPage.open(browser, `${gateway.url}/#/models`, { context: studio.context });
    await other.page.getByLabel('Status').selectOption('Ready');
    await other.page.getByText('No models here.').waitFor();
    modelId = await gateway.client.trained(await gateway.client.upload());
    await studio.expectMessage(/Daily spending limit of 1 EUR/);
    await studio.page
      .getByRole('main')
      .getByText(/Daily spending limit of 1 EUR/)
      .waitFor();
    await studio.page.getByText('0.9 EUR of 1 EUR').waitFor();
    await other.page.getByRole('list', { name: 'Models' }).getByRole('listitem').waitFor();
    await other.page.close();
    expect(studio.complaints).toEqual([]);
  });

  it('shows avatars made elsewhere, more of them when asked, and removes deleted ones', async () => {
    await openPage(studio, 'Avatars');
    await studio.page.getByText('No avatars here.').waitFor();
    const id = await generate(2);
    await studio.expectAvatars(2);
    await studio.page.getByText('2 avatars', { exact: true }).waitFor();
    const [first] = await gateway.client.avatars(id);
    await gateway.client.delete('deleteAvatar', first!.id);
    await studio.page.getByText('1 avatar', { exact: true }).waitFor();
    await until(async () => (await studio.avatars.count()) === 1);
    await gateway.client.generate(
      modelId,
      [8, 8, 8].map((count) => ({ count })),
    );
    await studio.page.getByText('25 avatars', { exact: true }).waitFor();
    expect(await studio.avatars.count()).toBe(24);
    await studio.button('Show more').click();
    await studio.expectAvatars(25);
    await until(async () => (await studio.focused()) === 'More avatars');
  });

  it('keeps the pages that are shown while another page arrives', async () => {
    let release = (): void => undefined;
    const isAsked = new Promise<void>((asked) => {
      void studio.page.route('**/graphql', async (route) => {
        if (!/query Avatars[^]*"after":"/.test(route.request().postData() ?? '')) return route.fallback();
        await new Promise<void>((resolve) => {
          release = resolve;
          asked();
        });
        return route.fallback();
      });
    });
    await generate(1);
    await studio.page.getByText('26 avatars', { exact: true }).waitFor();
    await isAsked;
    expect(await studio.avatars.count()).toBe(25);
    release();
    await studio.expectAvatars(26);
    await studio.page.unrouteAll();
  });

  it('shows messages in front of an open picture, where the keyboard reaches them', async () => {
    await studio.avatars.first().click();
    const large = studio.page.getByRole('dialog');
    await generate(1);
    await large
      .getByRole('log')
      .getByText(/^1 avatar .* finished/)
      .waitFor();
    const dismiss = large.getByRole('button', { name: 'Dismiss' }).last();
    await until(async () => {
      await studio.page.keyboard.press('Tab');
      return (await dismiss.and(studio.page.locator(':focus')).count()) === 1;
    });
    await studio.screenshot('message-in-dialog');
    const before = await large.getByRole('button', { name: 'Dismiss' }).count();
    await studio.page.keyboard.press('Enter');
    // Earlier messages may end by themselves meanwhile.
    await until(async () => (await large.getByRole('button', { name: 'Dismiss' }).count()) < before);
    await studio.page.keyboard.press('Escape');
    await large.waitFor({ state: 'detached' });
  });

  it('shows more of the history of a model when asked', async () => {
    const other = await StudioPage.open(browser, `${gateway.url}/#/models/${modelId}`, {
      context: studio.context,
    });
    for (const count of [1, 1, 1]) await generate(count);
    const cards = other.page.getByRole('article');
    await cards.nth(5).waitFor();
    const { generations } = await gateway.client.request<{ generations: { totalCount: number } }>(
      '{ generations { totalCount } }',
    );
    await until(async () => (await cards.count()) === 6);
    await other.button('Show more').click();
    await cards.nth(generations.totalCount - 1).waitFor();
    expect(generations.totalCount).toBeGreaterThan(6);
    await other.page.close();
  });

  it('keeps a list of favorites as another tab marks them', async () => {
    const other = await StudioPage.open(browser, `${gateway.url}/#/avatars`, { context: studio.context });
    await other.expectAvatars(1);
    await studio.page.getByLabel('Show').selectOption('Favorites');
    await studio.page.getByText('No avatars here.').waitFor();
    const mark = other.page.getByRole('button', { name: /^Favorite/ }).first();
    await mark.click();
    await studio.page.getByText('1 avatar', { exact: true }).waitFor();
    await mark.click();
    await studio.page.getByText('No avatars here.').waitFor();
    await studio.page.getByLabel('Show').selectOption('All');
    await studio.expectAvatars(24);
    await other.page.close();
    expect(other.complaints).toEqual([]);
  });

  it('shows ten pages of avatars at a time, and reads no more than these again', async () => {
    const other = await StudioPage.open(browser, gateway.url, { context: studio.context });
    let reads = 0;
    await other.page.route('**/graphql', (route) => {
      const postData = route.request().postData() ?? '';
      if (!postData.includes('query Avatars(')) return route.fallback();
      reads++;
      return route.fallback({ postData: postData.replace('"first":24', '"first":1') });
    });
    await openPage(other, 'Avatars');
    for (let count = 1; count < 10; count++) {
      await other.expectAvatars(count);
      await other.button('Show more').click();
    }
    await other.expectAvatars(10);
    await other.button('Show the next ones instead').click();
    await until(async () => (await other.avatars.count()) === 1);
    expect(await other.focused()).toBe('Back to the beginning');
    reads = 0;
    await generate(1);
    await other.page.keyboard.press('Enter');
    await other.page.getByText('31 avatars', { exact: true }).waitFor();
    expect(reads).toBeLessThan(10);
    await other.page.close();
  });

  it('shows what is ordered while a later part of the history is shown', async () => {
    const other = await StudioPage.open(browser, gateway.url, { context: studio.context });
    await Promise.all(Array.from({ length: 4 }, () => generate(1)));
    await other.page.route('**/graphql', (route) => {
      const postData = route.request().postData() ?? '';
      if (!postData.includes('query Generations(')) return route.fallback();
      return route.fallback({ postData: postData.replace('"first":6', '"first":1') });
    });
    await other.page.goto(`${gateway.url}/#/models/${modelId}`);
    const cards = other.page.getByRole('article');
    for (let count = 1; count < 10; count++) {
      await cards.nth(count - 1).waitFor();
      await other.button('Show more').click();
    }
    await other.button('Show the next ones instead').click();
    await other.button('Back to the beginning').waitFor();
    await other.page.getByRole('checkbox', { name: 'Realistic' }).uncheck();
    await other.page.getByRole('checkbox', { name: 'Noir' }).check();
    await other.button('Make 2 avatars').click();
    await other.page.getByRole('article', { name: /^Noir/ }).waitFor();
    expect(await other.button('Back to the beginning').count()).toBe(0);
    await studio.page.getByText('37 avatars', { exact: true }).waitFor();
    await other.page.close();
  });

  it('says in its own words which avatars are missing', async () => {
    const other = await StudioPage.open(browser, gateway.url, { context: studio.context });
    await other.page.route('**/graphql', async (route) => {
      if (!route.request().postData()?.includes('query Generations(')) return route.fallback();
      const response = await route.fetch();
      const json = (await response.json()) as { data: { generations: { nodes: object[] } } };
      const failure = {
        ...{ __typename: 'Failure', code: 'RESULT_EXPIRED' },
        ...{ message: 'Retry with missingOnly.', retryable: true },
      };
      const missing = [false, true].map((mayArrive) => ({
        ...{ __typename: 'MissingAvatars', failure },
        ...{ count: mayArrive ? 1 : 2, mayArrive },
      }));
      Object.assign(json.data.generations.nodes[0]!, { status: 'PARTIAL', missing });
      return route.fulfill({ response, json });
    });
    await other.page.goto(`${gateway.url}/#/models/${modelId}`);
    const notice = other.page.getByRole('article').filter({ hasText: 'RESULT_EXPIRED' });
    await notice
      .getByText('2 avatars could not be made or saved. 1 avatar may still arrive, free of charge.')
      .waitFor();
    expect(await notice.innerText()).not.toContain('missingOnly');
    await other.page.close();
  });

  it('keeps the state of the last event of a job when an answer of an earlier state arrives late', async () => {
    const other = await StudioPage.open(browser, gateway.url, { context: studio.context });
    let isEventReceived = false;
    other.page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => (isEventReceived ||= payload.includes('"CANCELLED"'))),
    );
    await other.page.reload();
    await gateway.sandbox.fault({ on: 'generate', kind: 'never-done' });
    const { id } = await gateway.client.generate(modelId, [{ style: 'watercolor', count: 1 }]);
    await until(async () => (await gateway.client.generation(id))?.status === 'GENERATING');
    let isRead = false;
    await intercept(other.page, 'query Generations', async (route) => {
      // Without an answer, the state remains that of the event.
      if (isRead) return;
      isRead = true;
      const response = await route.fetch();
      await gateway.client.change('cancelGeneration', id);
      await until(() => isEventReceived);
      await route.fulfill({ response });
    });
    await other.page.goto(`${gateway.url}/#/models/${modelId}`);
    const card = other.page.getByRole('article', { name: /^Watercolor/ });
    await card.getByText('Cancelled').waitFor();
    expect(await card.getByRole('progressbar').count()).toBe(0);
    await gateway.client.delete('deleteGeneration', id);
    await other.page.close();
  });

  it('shows what is ordered elsewhere while the list is being read', async () => {
    const other = await StudioPage.open(browser, gateway.url, { context: studio.context });
    let isEventReceived = false;
    other.page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => (isEventReceived ||= payload.includes('"GENERATING"'))),
    );
    await other.page.reload();
    let id = '';
    await intercept(other.page, 'query Generations', async (route) => {
      if (id !== '') return route.fallback();
      const response = await route.fetch();
      await gateway.sandbox.fault({ on: 'generate', kind: 'never-done' });
      ({ id } = await gateway.client.generate(modelId, [{ style: 'watercolor', count: 1 }]));
      await until(() => isEventReceived);
      await route.fulfill({ response });
    });
    await other.page.goto(`${gateway.url}/#/models/${modelId}`);
    await other.page.getByRole('article', { name: /^Watercolor/ }).waitFor();
    await gateway.client.change('cancelGeneration', id);
    await gateway.client.delete('deleteGeneration', id);
    await other.page.close();
  });

  it('copies operations that GraphiQL can run', async () => {
    await studio.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await studio.button('Developer').click();
    const panel = studio.page.getByRole('complementary', { name: 'GraphQL operations' });
    await panel.locator('summary').filter({ hasText: 'Avatars' }).first().click();
    const copy = async (name: string): Promise<string> => {
      await panel.getByRole('button', { name, exact: true }).first().click();
      return studio.page.evaluate<string>('navigator.clipboard.readText()');
    };
    const query = await copy('Copy the operation Avatars');
    const variables = JSON.parse(await copy('Copy the variables of Avatars')) as object;
    const answer = await gateway.client.request<{ avatars: { totalCount: number } }>(query, variables);
    expect(answer.avatars.totalCount).toBe(37);
    await studio.button('Developer').click();
  });

  it('removes everything when a model and then all data are deleted', async () => {
    const other = await StudioPage.open(browser, gateway.url, { context: studio.context });
    await other.choosePhotos(await photos(1));
    await gateway.client.delete('deleteModel', modelId);
    await studio.page.getByText('No avatars here.').waitFor();
    await openPage(studio, 'Account');
    await studio.button('Erase my data').click();
    await studio.page.getByLabel('Type DELETE to confirm').fill('DELETE');
    await studio.button('Erase').click();
    await studio.page.getByText('Your receipt:').waitFor();
    await other.page.getByText('5 more usable photos are needed.').waitFor();
    expect(await other.page.getByRole('list', { name: 'Chosen photos' }).count()).toBe(0);
    expect(await other.page.evaluate('Object.keys(localStorage).join()')).not.toMatch(/draft|details|order/);
  });
});
