import fc from 'fast-check';
import { types } from 'pg';
import { parseTimestamp } from '../../src/database/timestamps';

const parseAsPg = types.getTypeParser(types.builtins.TIMESTAMPTZ) as (text: string) => unknown;

const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');

const part = (min: number, max: number, digits = 2): fc.Arbitrary<string> =>
  fc.integer({ min, max }).map((value) => pad(value, digits));

/** Texts in the forms in which PostgreSQL sends a `timestamptz`. */
const texts = fc
  .record({
    date: fc.tuple(part(1, 11_000, 4), part(1, 12), part(1, 28)).map((parts) => parts.join('-')),
    time: fc.tuple(part(0, 23), part(0, 59), part(0, 59)).map((parts) => parts.join(':')),
    fraction: fc.option(fc.stringMatching(/^\.[0-9]{1,6}$/), { nil: '' }),
    offset: fc.constantFrom('+00', '+00', '+00', '-00', '+02', '+05:30', '-03', '+00:19:32'),
    era: fc.constantFrom('', '', '', ' BC'),
  })
  .map(({ date, time, fraction, offset, era }) => `${date} ${time}${fraction}${offset}${era}`);

describe('a timestamptz', () => {
  it('is parsed as by pg, in all of its forms', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(parseTimestamp(text)).toEqual(parseAsPg(text));
      }),
      { numRuns: 2_000 },
    );
    for (const text of ['infinity', '-infinity', '9999-12-31 23:59:59.999999+00', '1000-01-01 00:00:00+00'])
      expect(parseTimestamp(text)).toEqual(parseAsPg(text));
  });
});
