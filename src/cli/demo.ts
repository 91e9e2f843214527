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

/** Options of {@link Demo}. */
export interface DemoOptions {
  /** The folder of the photos. */
  folder: string;
  /** The folder for the avatars. */
  out: string;
  /** The subject of the photos: an `AvatarType`. */
  type: string;
  /** @defaultValue the first two styles of the server */
  styles?: readonly string[];
  /** Number of avatars per style. */
  count: number;
  /** The version of the consent text, if the server requires consent. */
  consent?: string;
  /** Time limit of the training and of the generation, in milliseconds. */
  waitMs: number;
}

const ends: readonly string[] = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'];

/** Creates a folder of avatars from a folder of photos. */
export class Demo {
  /** @param print - prints a line of progress */
  constructor(
    private readonly connection: DemoConnection,
    private readonly options: DemoOptions,
    private readonly print: (line: string) => void,
  ) {}

  /**
   * @returns the paths of the avatars
   * @throws Refusal or Unavailable with a message for the user
   */
  async run(): Promise<string[]> {
    const { folder, out } = this.options;
    const files = await readFolder(folder, this.print);
    // Checked first, so that an unknown style is reported before the training is paid.
    const styles = await this.chooseStyles();
    this.print(`Uploading the photos of ${folder}`);
    const photoIds = await uploadPhotos(this.connection, files, this.print);
    const modelId = await this.train(photoIds);
    const avatars = await this.generate(modelId, styles);
    const paths = await this.write(avatars);
    this.print(`Done: ${paths.length} avatars are in ${out}`);
    return paths;
  }

  private async chooseStyles(): Promise<readonly string[]> {
    const { styles } = await this.connection.request(offeredStyles, {});
    const offered = styles.map(({ id }) => id);
    const wanted = this.options.styles ?? offered.slice(0, 2);
    const unknown = wanted.find((style) => !offered.includes(style));
    if (unknown === undefined) return wanted;
    throw new Refusal(`Unknown style "${unknown}". The styles are ${offered.join(', ')}.`);
  }

  private async train(photoIds: readonly string[]): Promise<string> {
    const { type, consent } = this.options;
    // Created once, so that repeated requests train and pay for one model.
    const idempotencyKey = randomUUID();
    const agreed = consent === undefined ? undefined : { version: consent };
    const name = `Demo of ${photoIds.length} photos`;
    const input = { name, type, photoIds, consent: agreed, idempotencyKey };
    const { payload } = await this.connection.request(trainModel, { input });
    const { id } = payload.model;
    this.print(`Training ${id} from ${photoIds.length} photos`);
    await this.followJob(training, id);
    return id;
  }

  private async generate(modelId: string, styles: readonly string[]): Promise<DemoAvatar[]> {
    const { count } = this.options;
    const prompts = styles.map((style) => ({ style, count }));
    const input = { modelId, prompts, idempotencyKey: randomUUID() };
    const { payload } = await this.connection.request(generateAvatars, { input });
    const { id } = payload.generation;
    this.print(`Generating ${id}: ${count} of each of ${styles.join(', ')}`);
    const over = new AbortController();
    try {
      // Both subscriptions end with the generation; a failure of one ends the other.
      await Promise.all([this.followJob(generation, id), this.followAvatars(id, over.signal)]);
    } finally {
      over.abort();
    }
    const { generation: finished } = await this.connection.request(finishedAvatars, { id });
    return finished.avatars;
  }

  /** Prints each change of a job until it has succeeded. */
  private async followJob({ noun, progress, now, success, retry }: DemoJobKind, id: string): Promise<void> {
    const { waitMs } = this.options;
    const run = (job: DemoJob): void => {
      this.print(`  ${noun.padEnd(11)}${inWords(job)}`);
      if (job.status === 'UNCERTAIN') this.print(uncertain(retry));
    };
    await this.connection.follow(progress, id, run, AbortSignal.timeout(waitMs));
    const { job } = await this.connection.request(now, { id });
    if (job?.status === success) return;
    if (!job) throw new Refusal(`The ${noun} was deleted meanwhile.`);
    const hasEnded = ends.includes(job.status);
    throw new Refusal(
      hasEnded
        ? `The ${noun} has ended as ${job.status}. ${job.failure?.message ?? ''}`
        : `The ${noun} is still ${job.status} after ${waitMs / 60_000} minutes. It continues without the demo; check ${id} later.`,
    );
  }

  private async followAvatars(id: string, signal: AbortSignal): Promise<void> {
    const size = ({ width, height }: { width: number; height: number }): string => `${width}×${height}`;
    await this.connection.follow(
      avatarCompleted,
      id,
      ({ avatar }) => this.print(`  avatar     ${avatar.style}, ${size(avatar)}: ${avatar.id}`),
      signal,
    );
  }

  /** Downloads the avatars to the output folder. */
  private async write(avatars: readonly DemoAvatar[]): Promise<string[]> {
    const { out } = this.options;
    await mkdir(out, { recursive: true });
    const paths: string[] = [];
    for (const [index, avatar] of avatars.entries()) {
      const bytes = await this.connection.download(avatar.url, avatar);
      const path = join(out, `${index + 1}-${avatar.style}.${extensionOf(avatar.contentType)}`);
      await writeFile(path, bytes);
      this.print(`  written    ${path}, ${Math.round(bytes.length / 1_000)} kB`);
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

/** Explains the status UNCERTAIN. */
function uncertain(retry: string): string {
  return `The paid call was interrupted and is not repeated automatically. Its outcome is determined within the grace period (UNCERTAIN_GRACE). To retry immediately, use ${retry}, which is paid again.`;
}

function extensionOf(contentType: string): string {
  return contentType.replace('image/', '').replace('jpeg', 'jpg');
}
