import type { Browser } from 'playwright-core';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
import { startBrowser } from './chromium';
import { photos, StudioPage, type StudioOptions } from './studio-page';

const phone = { width: 360, height: 740 };
const desktop = { width: 1280, height: 860 };

jest.setTimeout(120_000);

let browser: Browser;
let gateway: TestGateway;

beforeAll(async () => {
  browser = await startBrowser();
  gateway = await TestGateway.start();
  const studio = await StudioPage.open(browser, gateway.url);
  await studio.choosePhotos(await photos(5));
  await studio.train('Grace');
  await studio.expectReady();
  await studio.button('Make 2 avatars').click();
  await studio.expectAvatars(2);
  await studio.page.close();
});
afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

/** Pages and dialogs are each shown in two of them, with both widths and both schemes. */
const views: [name: string, options: StudioOptions][] = [
  ['desktop-light', { viewport: desktop, colorScheme: 'light' }],
  ['desktop-dark', { viewport: desktop, colorScheme: 'dark' }],
  ['phone-light', { viewport: phone, colorScheme: 'light' }],
  ['phone-dark', { viewport: phone, colorScheme: 'dark' }],
];

describe('the studio for everyone', () => {
  it.each([views[0]!, views[3]!])('has no problem that axe finds, and fits, on %s', async (name, options) => {
    // Transitions would be measured half-way.
    const studio = await StudioPage.open(browser, gateway.url, { ...options, reducedMotion: 'reduce' });
    const check = async (step: string): Promise<void> => {
      await studio.screenshot(`${name}-${step}`);
      expect(await studio.violations()).toEqual([]);
      const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      expect(await studio.page.evaluate(overflow)).toBe(0);
    };
    const bad = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('not a photo') };
    await studio.choosePhotos([...(await photos(2)), bad], 2);
    await check('create');
    await studio.page.getByRole('link', { name: 'Models', exact: true }).click();
    await studio.page.getByRole('link', { name: /Grace/ }).waitFor();
    await check('models');
    await studio.page.getByRole('link', { name: /Grace/ }).click();
    await studio.expectAvatars(2);
    await check('model');
    await studio.avatars.first().click();
    await studio.page.getByText('the sandbox, without AI').waitFor();
    await check('large');
    await studio.page.keyboard.press('Escape');
    await studio.page.getByRole('link', { name: 'Avatars', exact: true }).click();
    await studio.expectAvatars(2);
    await check('avatars');
    await studio.page.getByRole('link', { name: 'Account', exact: true }).click();
    await studio.page.getByText('Trainings today').waitFor();
    await studio.button('Developer').click();
    await check('account');
    await studio.context.close();
  });

  it.each([views[1]!, views[2]!])(
    'has dialogs and errors without such a problem on %s',
    async (name, options) => {
      const studio = await StudioPage.open(browser, gateway.url, { ...options, reducedMotion: 'reduce' });
      const check = async (step: string): Promise<void> => {
        await studio.screenshot(`${name}-${step}`);
        expect(await studio.violations()).toEqual([]);
      };
      await studio.button('Take photos').click();
      await studio.page.getByText('Look into the camera').waitFor();
      await check('camera');
      await studio.button('Done').click();
      await studio.context.setOffline(true);
      await studio.page.getByText('You are offline.').waitFor();
      await check('offline');
      await studio.context.setOffline(false);
      await studio.page.getByText('You are offline.').waitFor({ state: 'detached' });
      await studio.page.getByRole('link', { name: 'Avatars', exact: true }).click();
      await studio.expectAvatars(2);
      await studio.page.getByLabel('Show').selectOption('Favorites');
      await studio.page.getByText('No avatars here.').waitFor();
      await check('empty');
      await studio.page.route('**/graphql', (route) => route.fulfill({ status: 502, body: 'Bad gateway' }));
      await studio.page.getByLabel('Order').selectOption('Oldest first');
      await studio.button('Try again').waitFor();
      await check('not-loaded');
      await studio.page.getByRole('link', { name: 'Account', exact: true }).click();
      await studio.button('Erase my data').click();
      await studio.page.getByLabel('Type DELETE to confirm').fill('DELETE');
      await studio.button('Erase').click();
      await studio.page.getByRole('dialog').getByRole('alert').waitFor();
      await check('not-erased');
      await studio.button('Keep').click();
      await studio.page.unrouteAll();
      await studio.page.route('**/graphql', async (route) => {
        const response = await route.fetch();
        await route.fulfill({
          response,
          body: (await response.text()).replaceAll('"thumbhash":"', '"thumbhash":"?'),
        });
      });
      await studio.page.getByRole('link', { name: 'Avatars', exact: true }).click();
      await studio.button('Load the page again').waitFor();
      await check('stopped');
      await studio.context.close();
    },
  );

  it('keeps names and prompts that are meant to break it in their place', async () => {
    const name = `\u202e<img src=x onerror=alert(1)>${'W'.repeat(60)}`;
    const ids = await gateway.client.upload();
    const { id } = await gateway.client.train({ photoIds: ids, name });
    await gateway.client.modelEnd(id);
    const prompt = `مرحبا بالعالم \u202e ${'x'.repeat(300)} ${'very long '.repeat(60)}`;
    const generation = await gateway.client.generate(id, [{ prompt, count: 1 }]);
    await gateway.client.generationEnd(generation.id);
    const studio = await StudioPage.open(browser, `${gateway.url}/#/models`, {
      viewport: phone,
      reducedMotion: 'reduce',
    });
    const check = async (step: string): Promise<void> => {
      await studio.screenshot(`hostile-${step}`);
      const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      expect(await studio.page.evaluate(overflow)).toBe(0);
    };
    const card = studio.page.getByRole('link', { name: /onerror/ });
    await card.waitFor();
    await check('models');
    await card.click();
    await studio.expectAvatars(1);
    await check('model');
    await studio.avatars.first().click();
    await studio.page.getByText('the sandbox, without AI').waitFor();
    await check('large');
    expect(await studio.violations()).toEqual([]);
    await studio.page.keyboard.press('Escape');
    // As if each page of the list of models had one.
    await studio.page.route('**/graphql', (route) =>
      route.fallback({ postData: (route.request().postData() ?? '').replace('"first":100', '"first":1') }),
    );
    await studio.page.getByRole('link', { name: 'Avatars', exact: true }).click();
    await studio.expectAvatars(3);
    await check('avatars');
    await studio.page.getByLabel('Model').selectOption('More models …');
    for (const [text, count] of [['Grace', 2] as const, ['onerror', 1] as const]) {
      const option = studio.page.locator('option', { hasText: text });
      await studio.page.getByLabel('Model').selectOption(await option.getAttribute('value'));
      await studio.page.getByText(new RegExp(`^${count} avatars?$`)).waitFor();
    }
    expect(studio.complaints).toEqual([]);
    await studio.context.close();
  });

  it('can be used with the keyboard alone', async () => {
    const studio = await StudioPage.open(browser, gateway.url);
    const { keyboard } = studio.page;
    await keyboard.press('Tab');
    expect(await studio.focused()).toBe('Skip to the content');
    await keyboard.press('Enter');
    const opened = studio.page.waitForEvent('filechooser');
    await studio.tabTo('Choose photos');
    await keyboard.press('Enter');
    await (await opened).setFiles(await photos(6, 10));
    await studio.page.getByText('6 of 6 usable.').waitFor();
    await studio.tabTo('Remove face-10.jpg');
    await keyboard.press('Enter');
    await studio.page.getByText('5 of 5 usable.').waitFor();
    await until(async () => (await studio.focused()).startsWith('face-11'));
    await studio.tabTo('Woman');
    await keyboard.press('Space');
    await studio.tabTo('Name (optional)');
    await keyboard.type('Ada');
    await studio.tabTo('Train the model');
    await keyboard.press('Enter');
    await studio.page.getByRole('heading', { level: 1, name: 'Ada' }).waitFor();
    expect(await studio.page.locator('main:focus, main :focus').count()).toBe(1);
    await studio.expectReady();
    await studio.tabTo('Make 2 avatars');
    await keyboard.press('Enter');
    await studio.expectAvatars(2);
    await studio.tabTo(/^Open /);
    await keyboard.press('Enter');
    const large = studio.page.getByRole('dialog').first();
    await large.waitFor();
    await studio.tabTo('Favorite');
    await keyboard.press('Space');
    await large.locator('button[aria-pressed=true]').waitFor();
    const [position] = /\d of \d/.exec(await large.innerText())!;
    await studio.tabTo('Delete');
    await keyboard.press('Enter');
    await studio.page.getByRole('dialog', { name: 'Delete this avatar?' }).waitFor();
    // Keys act on what is in front: neither is another avatar deleted, nor the picture closed.
    await keyboard.press('ArrowRight');
    await keyboard.press('Escape');
    await studio.page.getByRole('dialog', { name: 'Delete this avatar?' }).waitFor({ state: 'detached' });
    expect(await studio.focused()).toBe('Delete');
    expect(await large.innerText()).toContain(position);
    await keyboard.press('Escape');
    await large.waitFor({ state: 'detached' });
    // The focus is where it was.
    expect(await studio.focused()).toMatch(/^Open /);
    await studio.context.close();
  });

  it('can rename a model with the keyboard, also while it changes elsewhere, and delete it', async () => {
    const studio = await StudioPage.open(browser, gateway.url);
    const id = await gateway.client.trained(await gateway.client.upload());
    await studio.expectMessage(' is ready.');
    await studio.page.goto(`${gateway.url}/#/models/${id}`);
    const rename = studio.page.getByRole('button', { name: /^Rename / });
    await rename.press('Enter');
    await studio.page.keyboard.press('Escape');
    await rename.and(studio.page.locator(':focus')).press('Enter');
    await studio.page.getByLabel('Name of the model').fill('Ada');
    await studio.tabTo('Save');
    await gateway.client.rename(id, 'Elsewhere');
    await until(async () => (await studio.page.title()).startsWith('Elsewhere'));
    expect(await studio.focused()).toBe('Save');
    await studio.page.keyboard.press('Enter');
    await studio.page.getByRole('heading', { level: 1, name: 'Ada' }).waitFor();
    expect(await studio.focused()).toBe('Rename Ada');
    const name = 'query ($id: ID!) { model(id: $id) { name } }';
    expect(await gateway.client.request(name, { id })).toEqual({ model: { name: 'Ada' } });
    // It has become ready once.
    const generation = await gateway.client.generate(id, [{ count: 1 }]);
    await gateway.client.generationEnd(generation.id);
    await studio.expectMessage('1 avatar of Ada finished.');
    expect(
      await studio.page
        .getByRole('log')
        .getByText(/(Ada|Elsewhere) is ready/)
        .count(),
    ).toBe(0);
    await studio.button('Delete Ada').click();
    const question = studio.page.getByRole('dialog', { name: 'Delete Ada?' });
    await question.getByText('Avatars of it that are being made are stopped, and charged').waitFor();
    await question.getByText('Delete', { exact: true }).click();
    await studio.page.getByRole('heading', { level: 1, name: 'Models' }).waitFor();
    expect(await gateway.client.model(id)).toBeNull();
    await studio.context.close();
  });
});
