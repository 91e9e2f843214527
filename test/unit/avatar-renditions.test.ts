import { availableParallelism } from 'node:os';
import { createLogger } from '../../src/core/logger';
import type { Sql } from '../../src/core/sql';
import { engines } from '../../src/database/engine';
import { AvatarRenditions, type RenditionOutcome } from '../../src/generations/avatar-renditions';
import { variantOf } from '../../src/generations/avatar-variant';
import { PictureProblem } from '../../src/images/picture-file';
import type { RenditionSpec } from '../../src/images/rendition';

/** Renditions without files and rows. `render` is called for each. */
function renditionsWith(render: (owner: string | undefined) => void): {
  renditions: AvatarRenditions;
  outcomes: RenditionOutcome[];
} {
  const outcomes: RenditionOutcome[] = [];
  const inserting = { rows: () => Promise.resolve([{ id: 'made' }]) } as unknown as Sql;
  const renditions = new AvatarRenditions({
    database: {
      engine: engines.postgresql,
      ...{ rows: () => Promise.resolve([]), entities: () => Promise.resolve([]) },
      transaction: (work) => work(inserting),
    },
    media: {
      open: () => Promise.resolve(null),
      put: () => Promise.resolve({ byteSize: 1, sha256: 'x' }),
    },
    imageProcessor: {
      render: (_source, _spec, owner) => {
        render(owner);
        return Promise.resolve(Buffer.from('x'));
      },
    },
    logger: createLogger('silent'),
    onEnd: (outcome) => outcomes.push(outcome),
  });
  return { renditions, outcomes };
}

const avatarOf = (owner: string, index: number): Parameters<AvatarRenditions['get']>[0] => ({
  ...{ id: `${owner}-${index}`, owner, mediaToken: 'token', sha256: 'x', width: 4096, height: 2048 },
});

const demand = (
  renditions: AvatarRenditions,
  owner: string,
  count: number,
  spec: RenditionSpec,
): Promise<unknown>[] =>
  Array.from({ length: count }, (_, index) => renditions.get(avatarOf(owner, index), { name: 'x', spec }));

describe('renditions', () => {
  it('of small pictures are made before more of the large ones of another owner', async () => {
    const order: (string | undefined)[] = [];
    const { renditions, outcomes } = renditionsWith((owner) => order.push(owner));
    await Promise.all([
      ...demand(renditions, 'anna', 50, { maxSide: 4096, format: 'avif' }),
      ...demand(renditions, 'bob', 20, { maxSide: 128, format: 'jpeg' }),
    ]);
    const atOnce = Math.max(1, Math.floor(availableParallelism() / 2));
    expect(order.lastIndexOf('bob')).toBeLessThanOrEqual(2 * atOnce + 20);
    expect(outcomes).toEqual(Array.from({ length: 70 }, () => 'made'));
  });

  it('are counted if they cannot be made, or are refused', async () => {
    const { renditions, outcomes } = renditionsWith(() => {
      throw new PictureProblem('UNREADABLE', 'damaged');
    });
    const spec = { maxSide: 128, format: 'jpeg' } as const;
    const results = await Promise.allSettled(demand(renditions, 'anna', 101, spec));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    const failed = Array.from({ length: 100 }, () => 'failed');
    expect(outcomes.sort()).toEqual([...failed, 'refused']);
  });
});

describe('the files of an avatar', () => {
  it('are at most 14 beside the original and the preview', () => {
    const sizes = ['ORIGINAL', 'PREVIEW', 'PX_128', 'PX_256', 'PX_512', 'PX_1024'] as const;
    const formats = [null, 'JPEG', 'WEBP', 'AVIF'] as const;
    const variants = sizes.flatMap((size) => formats.map((format) => variantOf(size, format)));
    const made = variants.filter(({ source }) => typeof source === 'object').map(({ name }) => name);
    expect(new Set(made).size).toBe(14);
  });
});
