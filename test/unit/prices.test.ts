import { priceOf, readPrices } from '../../src/accounts/prices';
import { amountText, readAmount } from '../../src/core/money';
import { ConfigError, readConfig } from '../../src/read-config';

describe('amounts', () => {
  it.each([
    ['0', 0n, '0'],
    ['2.50', 2_500_000n, '2.5'],
    ['0.0125', 12_500n, '0.0125'],
    ['0.000001', 1n, '0.000001'],
    ['007', 7_000_000n, '7'],
    ['1000000', 1_000_000_000_000n, '1000000'],
  ])('are exact: %s', (text, amount, written) => {
    expect(readAmount(text)).toBe(amount);
    expect(amountText(amount)).toBe(written);
  });

  it.each(['', '-1', '+1', '1.', '.5', '1e3', '0.0000001', '1,5', '1000000.000001', '99999999', ' 1', 'NaN'])(
    'refuse %p',
    (text) => {
      expect(readAmount(text)).toBeUndefined();
    },
  );

  it('add up without rounding', () => {
    const cent = readAmount('0.1')!;
    expect(amountText(cent + readAmount('0.2')!)).toBe('0.3');
    expect(amountText(1_000n * readAmount('999999.999999')!)).toBe('999999999.999');
  });
});

const whole =
  'picsart.training=2.50+0.05/photo, picsart.generation=0.02/avatar,picsart.instant=0.01+0.03/avatar';

describe('PRICES', () => {
  it('gives a price for each kind of work', () => {
    const prices = readPrices(whole)!.picsart!;
    expect(priceOf(prices, { work: 'training', units: 10 })).toBe(3_000_000n);
    expect(priceOf(prices, { work: 'generation', units: 3 })).toBe(60_000n);
    expect(priceOf(prices, { work: 'instant', units: 2 })).toBe(70_000n);
    const free = readPrices(
      'a.training=0,a.generation=5,a.instant=0/avatar,b.training=1,b.generation=1,b.instant=1',
    )!;
    expect(priceOf(free.a!, { work: 'generation', units: 9 })).toBe(5_000_000n);
    expect(priceOf(free.b!, { work: 'instant', units: 9 })).toBe(1_000_000n);
  });

  it.each([
    ['a missing kind', 'picsart.training=1,picsart.generation=1'],
    ['a kind given twice', `${whole},picsart.instant=1`],
    ['an unknown kind', `${whole},picsart.upscale=1`],
    ['another unit', whole.replace('/photo', '/avatar')],
    ['a negative price', whole.replace('2.50', '-2.50')],
    ['several bases', whole.replace('2.50', '1+1')],
    ['two prices for a unit', whole.replace('0.05/photo', '0.05/photo+0.01/photo')],
    ['no amount', whole.replace('2.50+0.05/photo', '')],
    ['no list', 'free'],
    ['a name of Object', 'constructor.training=1'],
  ])('is refused with %s', (_, PRICES) => {
    expect(() => readConfig({ PRICES, PICSART_API_KEY: 'key', PUBLIC_URL: 'https://a.example.com' })).toThrow(
      /^Likeness cannot start with these settings:\n {2}PRICES is not a list of prices/,
    );
  });

  it.each([
    [
      { PRICES: whole },
      'PRICES has no prices for sandbox, the configured avatar service; write PRICES=sandbox.training',
    ],
    [
      { QUOTA_SPEND_PER_DAY: '5' },
      'QUOTA_SPEND_PER_DAY and QUOTA_SPEND_PER_MONTH need PRICES; write PRICES=sandbox.',
    ],
    [{ QUOTA_SPEND_PER_MONTH: '0' }, 'QUOTA_SPEND_PER_MONTH is not an amount above 0'],
    [{ CURRENCY: 'euro' }, 'CURRENCY is not an ISO 4217 code, and not CREDITS (example: EUR)'],
  ])('and the settings that need it are checked together: %p', (settings, message) => {
    expect(() => readConfig(settings)).toThrow(ConfigError);
    expect(() => readConfig(settings)).toThrow(message);
  });
});
