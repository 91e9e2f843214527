import fc from 'fast-check';
import { readStatus } from '../../src/upstream/picsart/job-state';

const words = {
  PENDING: ['accepted', 'queued', 'starting'],
  RUNNING: ['in_progress', 'in progress', 'in-progress', 'processing'],
  DONE: ['done', 'finished', 'completed', 'success'],
  FAILED: ['failed', 'error'],
  IMAGE_NOT_VALID: ['image_not_valid', 'image not valid'],
};

describe('status words', () => {
  it.each(Object.entries(words))('mean %s in any case and with any space around', (meaning, spellings) => {
    for (const word of spellings) {
      for (const spelt of [
        word,
        word.toUpperCase(),
        ` ${word}\n`,
        word.replace(/^./, (c) => c.toUpperCase()),
      ]) {
        expect(readStatus(spelt).meaning).toBe(meaning);
      }
    }
  });

  it('are parsed without errors from any input, and truncated', () => {
    fc.assert(
      fc.property(fc.anything(), (status) => {
        const { word, progress = 0 } = readStatus(status);
        return word.length <= 64 && progress >= 0 && progress <= 100;
      }),
    );
  });

  it('are unknown if not in the table', () => {
    const known = Object.values(words).flat();
    const unknown = fc
      .string()
      .filter((text) => !/\d/.test(text) && !known.includes(text.trim().toLowerCase()));
    fc.assert(fc.property(unknown, (text) => readStatus(text).meaning === undefined));
  });
});
