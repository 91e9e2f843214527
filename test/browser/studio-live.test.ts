import type { Browser } from 'playwright-core';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
import { startBrowser } from './chromium';
import { photos, StudioPage } from './studio-page';

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
    expect(answer.avatars.totalCount).toBe(30);
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
  });
});
