import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Refusal } from './demo-answers';
import type { DemoConnection } from './demo-connection';
import {
  avatarCompleted,
  finishedAvatars,
  generateAvatars,
  generation,
  offeredStyles,
  training,
  trainModel,
  type DemoAvatar,
  type DemoJob,
  type DemoJobKind,
} from './demo-operations';
import { readFolder, uploadPhotos } from './demo-photos';

/** What the demo is to do. */
export interface DemoOptions {
  /** Where the photos are. */
  folder: string;
  /** Where the pictures go. */
  out: string;
  /** Who or what is on the photos: an `AvatarType`. */
  type: string;
  /** @defaultValue the first two that are offered */
  styles?: readonly string[];
  /** Avatars of each style. */
  count: number;
  /** The version of the text that the person on the photos agreed to, where the server asks. */
  consent?: string;
  /** How long a training, and then a generation, may take, in milliseconds. */
  waitMs: number;
}

const ends: readonly string[] = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'];

/** From a folder of photos to a folder of avatars. */
export class Demo {
  /** @param say - takes a line for people */
  constructor(
    private readonly connection: DemoConnection,
    private readonly options: DemoOptions,
    private readonly say: (line: string) => void,
  ) {}

  /**
   * @returns the paths of the pictures
   * @throws Refusal or Unavailable, whose message says what to do
   */
  async run(): Promise<string[]> {
    const { folder, out } = this.options;
    const files = await readFolder(folder, this.say);
    // Asked first: it would be a pity to learn after a training that there is no such style.
    const styles = await this.chooseStyles();
    this.say(`Uploading the photos of ${folder}`);
    const photoIds = await uploadPhotos(this.connection, files, this.say);
    const modelId = await this.train(photoIds);
    const avatars = await this.generate(modelId, styles);
    const paths = await this.write(avatars);
    this.say(`Done: ${paths.length} avatars are in ${out}`);
    return paths;
  }

  private async chooseStyles(): Promise<readonly string[]> {
    const { styles } = await this.connection.ask(offeredStyles, {});
    const offered = styles.map(({ id }) => id);
    const wanted = this.options.styles ?? offered.slice(0, 2);
    const unknown = wanted.find((style) => !offered.includes(style));
    if (unknown === undefined) return wanted;
    throw new Refusal(`There is no style "${unknown}"; the styles are ${offered.join(', ')}.`);
  }

  private async train(photoIds: readonly string[]): Promise<string> {
    const { type, consent } = this.options;
    // Made once: however often the mutation is sent, one model is trained, and paid for.
    const idempotencyKey = randomUUID();
    const agreed = consent === undefined ? undefined : { version: consent };
    const name = `Demo of ${photoIds.length} photos`;
    const input = { name, type, photoIds, consent: agreed, idempotencyKey };
    const { payload } = await this.connection.ask(trainModel, { input });
    const { id } = payload.model;
    this.say(`Training ${id} from ${photoIds.length} photos`);
    await this.followJob(training, id);
    return id;
  }

  private async generate(modelId: string, styles: readonly string[]): Promise<DemoAvatar[]> {
    const { count } = this.options;
    const prompts = styles.map((style) => ({ style, count }));
    const input = { modelId, prompts, idempotencyKey: randomUUID() };
    const { payload } = await this.connection.ask(generateAvatars, { input });
    const { id } = payload.generation;
    this.say(`Generating ${id}: ${count} of each of ${styles.join(', ')}`);
    const over = new AbortController();
    try {
      // Both end with the generation; a failure of one ends the other.
      await Promise.all([this.followJob(generation, id), this.followAvatars(id, over.signal)]);
    } finally {
      over.abort();
    }
    const { generation: finished } = await this.connection.ask(finishedAvatars, { id });
    return finished.avatars;
  }

  /** Says each change of a job until it has ended well. */
  private async followJob({ noun, progress, now, goodEnd, retry }: DemoJobKind, id: string): Promise<void> {
    const { waitMs } = this.options;
    const run = (job: DemoJob): void => {
      this.say(`  ${noun.padEnd(11)}${inWords(job)}`);
      if (job.status === 'UNCERTAIN') this.say(uncertain(retry));
    };
    await this.connection.follow(progress, id, run, AbortSignal.timeout(waitMs));
    const { job } = await this.connection.ask(now, { id });
    if (job?.status === goodEnd) return;
    if (!job) throw new Refusal(`The ${noun} was deleted meanwhile.`);
    const hasEnded = ends.includes(job.status);
    throw new Refusal(
      hasEnded
        ? `The ${noun} has ended as ${job.status}. ${job.failure?.message ?? ''}`
        : `The ${noun} is still ${job.status} after ${waitMs / 60_000} minutes. It goes on without the demo: look at ${id} later.`,
    );
  }

  private async followAvatars(id: string, signal: AbortSignal): Promise<void> {
    const size = ({ width, height }: { width: number; height: number }): string => `${width}×${height}`;
    await this.connection.follow(
      avatarCompleted,
      id,
      ({ avatar }) => this.say(`  avatar     ${avatar.style}, ${size(avatar)}: ${avatar.id}`),
      signal,
    );
  }

  /** Opens every picture and writes it down. */
  private async write(avatars: readonly DemoAvatar[]): Promise<string[]> {
    const { out } = this.options;
    await mkdir(out, { recursive: true });
    const paths: string[] = [];
    for (const [index, avatar] of avatars.entries()) {
      const bytes = await this.connection.download(avatar.url, avatar);
      const path = join(out, `${index + 1}-${avatar.style}.${extensionOf(avatar.contentType)}`);
      await writeFile(path, bytes);
      this.say(`  written    ${path}, ${Math.round(bytes.length / 1_000)} kB`);
      paths.push(path);
    }
    return paths;
  }
}

function inWords({ status, progress, estimatedReadyAt }: DemoJob): string {
  const words = `${String(progress).padStart(3)} %  ${status}`;
  if (estimatedReadyAt === null) return words;
  const seconds = Math.max(0, Math.round((Date.parse(estimatedReadyAt) - Date.now()) / 1_000));
  return `${words}, about ${seconds} s left`;
}

/** What it means for whoever watches that a paid call was cut off. */
function uncertain(retry: string): string {
  return `The paid call was cut off, and is never made twice by itself. Evidence settles this within the grace period (UNCERTAIN_GRACE); ${retry} decides it at once, and pays again.`;
}

function extensionOf(contentType: string): string {
  return contentType.replace('image/', '').replace('jpeg', 'jpg');
}
