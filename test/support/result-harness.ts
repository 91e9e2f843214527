import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { createLogger } from '../../src/core/logger';
import { AvatarEntity } from '../../src/generations/avatar.entity';
import { MediaDeletion } from '../../src/storage/media-deletion';
import { readObject } from '../../src/storage/media-store';
import { DownloadError, type Download } from '../../src/upstream/download';
import type { Downloads } from '../../src/upstream/downloads';
import { JobHarness, useJobHarness, type Job } from './job-harness';
import { done, type PollAnswer } from './scripted-provider';

/** The content of a URL. */
export type Delivery = () => Download | Promise<Download>;

/** A file. */
export function fileOf(bytes: Uint8Array): Delivery {
  return () => ({
    contentType: 'image/png',
    bytes: (async function* () {
      yield await Promise.resolve(bytes);
    })(),
  });
}

/** A response without a file. */
export function answers(status: number): Delivery {
  return () => Promise.reject(new DownloadError('STATUS', 'The picture could not be fetched.', status));
}

/** A picture that differs for each path. */
async function defaultPicture(url: string): Promise<Download> {
  return fileOf(await paint(`#${sha256Of(Buffer.from(new URL(url).pathname)).slice(0, 6)}`))();
}

/** A small picture of one colour. */
export function paint(background: string): Promise<Buffer> {
  return sharp({ create: { width: 64, height: 64, channels: 3, background } })
    .png()
    .toBuffer();
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Generations that are finished upstream, with scripted picture downloads. */
class ResultHarness extends JobHarness {
  /** The content of each URL; by default a picture that differs for each path. */
  readonly host = new Map<string, Delivery>();
  readonly fetched: string[] = [];
  override pictures: Downloads['result'] = async (url, { onAnswer }) => {
    this.fetched.push(url);
    const answer = (httpStatus: number): void =>
      onAnswer?.({ httpStatus, correlationId: `download of ${url}` });
    try {
      const file = await (this.host.get(url) ?? (() => defaultPicture(url)))();
      answer(200);
      return file;
    } catch (error) {
      if (error instanceof DownloadError && error.status !== undefined) answer(error.status);
      throw error;
    }
  };

  /** How often the upstream was polled for picture URLs. */
  get asked(): number {
    return [...this.provider.polls.values()].reduce((sum, count) => sum + count, 0);
  }

  override async clear(): Promise<void> {
    await super.clear();
    this.host.clear();
    this.fetched.length = 0;
  }

  /** Scripts the upstream state of a generation. */
  async says(job: Job, answer: PollAnswer): Promise<void> {
    this.provider.says((await this.row(job)).providerRef!, answer);
  }

  /** Creates a generation that is finished upstream, with these pictures. */
  async finished(...results: Parameters<typeof done>): Promise<Job> {
    const job = await this.generate();
    await this.worker.submit('generations');
    await this.says(job, done(...results));
    await this.untilDue(job);
    await this.worker.poll('generations');
    this.provider.polls.clear();
    return job;
  }

  /** Makes every picture due, and ends leases. */
  async untilPicturesDue(): Promise<void> {
    await this.database.rows('UPDATE avatars SET due_at = now() WHERE due_at IS NOT NULL');
  }

  /** Runs one more attempt for every picture. */
  async tryAgain(times = 1, by = this.worker): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      await this.untilPicturesDue();
      await by.storePictures();
    }
  }

  /** The pictures of a generation in order. */
  async avatars({ id }: Job): Promise<AvatarEntity[]> {
    const text = 'SELECT * FROM avatars WHERE generation_id = $1 ORDER BY position';
    return this.database.entities(AvatarEntity, text, [id]);
  }

  async states(job: Job): Promise<string[]> {
    return (await this.avatars(job)).map(({ status }) => status);
  }

  /** The states and avatars in the events, from STORING on. */
  async eventSequence(job: Job): Promise<string[]> {
    const events = await this.events(job);
    const words = events.map(({ kind, payload }) => (kind === 'AVATAR' ? kind : payload.status));
    return words.slice(words.indexOf('STORING'));
  }

  /** The stored keys of these avatars after all scheduled deletions. */
  async keysOf(avatarIds: readonly string[]): Promise<string[]> {
    const { database, media } = this;
    await new MediaDeletion(database, media, createLogger('silent')).sweep(1_000);
    return this.presentKeysOf(avatarIds);
  }

  /** The same while scheduled deletions are pending. */
  async presentKeysOf(avatarIds: readonly string[]): Promise<string[]> {
    const keys: string[] = [];
    for await (const key of this.media.list('avatars/', 0)) keys.push(key);
    return keys.filter((key) => avatarIds.some((id) => key.includes(id))).sort();
  }

  /** The bytes of a key. */
  async bytesOf(key: string): Promise<Buffer> {
    return readObject((await this.media.open(key))!);
  }
}

/** A {@link ResultHarness} for the tests of this block. */
export const useResultHarness = (): ResultHarness => useJobHarness(new ResultHarness());
