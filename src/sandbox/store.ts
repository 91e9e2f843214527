import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf } from '../core/errors';
import { createFolder } from '../core/folders';
import { type Generation, generationSchema, type Model, modelSchema } from './jobs';

/** Executed paid calls, also of earlier runs with the same folder. A paid service would charge for these. */
export interface SandboxCounts {
  trainings: number;
  /** From a model. */
  generations: number;
  /** Generations from one photo. */
  instants: number;
}

/** Beyond these limits the oldest entries are deleted. */
const maxModels = 1_000;
const maxGenerations = 5_000;

const stateSchema = z.object({
  models: z.array(modelSchema),
  generations: z.array(generationSchema),
  counts: z.object({ trainings: z.number(), generations: z.number(), instants: z.number() }),
  credits: z.number(),
});

/**
 * The state of the sandbox: in memory, and also in a folder if it has one. Saved state survives `kill -9`: it is saved
 * before the response, in a file that is replaced atomically. A power failure may lose the last seconds.
 */
export class SandboxStore {
  readonly models = new Map<string, Model>();
  readonly generations = new Map<string, Generation>();
  private readonly pictures = new Map<string, Buffer>();
  private current: Promise<void> = Promise.resolve();
  private waiting: Promise<void> | undefined;
  readonly counts: SandboxCounts = { trainings: 0, generations: 0, instants: 0 };

  private constructor(
    private readonly folder: string | null,
    public credits: number,
  ) {}

  /**
   * @param folder - null to keep the state in memory only
   * @param credits - the balance of a new store
   */
  static async open(folder: string | null, credits: number, forget: boolean): Promise<SandboxStore> {
    const store = new SandboxStore(folder, credits);
    if (folder === null) return store;
    if (forget) {
      await rm(join(folder, 'state.json'), { force: true });
      await rm(join(folder, 'pictures'), { recursive: true, force: true });
    }
    await createFolder(join(folder, 'pictures'));
    await store.load(join(folder, 'state.json'));
    await store.sweep(join(folder, 'pictures'));
    return store;
  }

  /** Adds a model. Call {@link save} afterwards. */
  addModel(added: Model): void {
    this.counts.trainings += 1;
    this.add(this.models, added, maxModels);
  }

  /** Adds a generation. Call {@link save} afterwards. */
  addGeneration(added: Generation): void {
    this.counts[added.modelId === null ? 'instants' : 'generations'] += 1;
    this.add(this.generations, added, maxGenerations);
  }

  private add<J extends Pick<Model, 'id' | 'pictures'>>(jobs: Map<string, J>, added: J, max: number): void {
    jobs.set(added.id, added);
    for (const old of jobs.values()) {
      if (jobs.size <= max) break;
      jobs.delete(old.id);
      this.deletePictures(old.pictures);
    }
  }

  generationOfToken(token: string): Generation | undefined {
    return [...this.generations.values()].find((one) => one.token === token);
  }

  /** Stores reduced photos and returns their names. */
  async keepPictures(copies: readonly Buffer[]): Promise<string[]> {
    return Promise.all(
      copies.map(async (copy) => {
        const name = `${randomUUID()}.jpg`;
        if (this.folder === null) this.pictures.set(name, copy);
        else await writeFile(join(this.folder, 'pictures', name), copy, { mode: 0o600 });
        return name;
      }),
    );
  }

  /** @throws Error if the picture has been deleted */
  async picture(name: string): Promise<Buffer> {
    if (this.folder !== null) return readFile(join(this.folder, 'pictures', name));
    const copy = this.pictures.get(name);
    if (!copy) throw new Error('The picture has been deleted.');
    return copy;
  }

  /** Resolves when all changes made before the call are saved. Concurrent calls share a write. */
  async save(): Promise<void> {
    if (this.folder === null) return;
    this.waiting ??= this.current
      .catch(() => undefined)
      .then(() => {
        this.current = this.waiting ?? Promise.resolve();
        this.waiting = undefined;
        return this.write(join(this.folder!, 'state.json'));
      });
    await this.waiting;
  }

  private async write(file: string): Promise<void> {
    const { counts, credits } = this;
    const [models, generations] = [[...this.models.values()], [...this.generations.values()]];
    await replaceFile(file, JSON.stringify({ models, generations, counts, credits }));
  }

  private async load(file: string): Promise<void> {
    const text = await readFileIfAny(file);
    if (text === null) return;
    const state = stateSchema.parse(JSON.parse(text));
    for (const one of state.models) this.models.set(one.id, one);
    for (const one of state.generations) this.generations.set(one.id, one);
    Object.assign(this.counts, state.counts);
    this.credits = state.credits;
  }

  /** Deletes pictures that no job refers to. They remain after a crash between writing a picture and the state. */
  private async sweep(folder: string): Promise<void> {
    const jobs = [...this.models.values(), ...this.generations.values()];
    const named = new Set(jobs.flatMap(({ pictures }) => pictures));
    const orphans = (await readdir(folder)).filter((name) => !named.has(name));
    await Promise.all(orphans.map((name) => rm(join(folder, name), { force: true })));
  }

  private deletePictures(names: readonly string[]): void {
    for (const name of names) {
      this.pictures.delete(name);
      if (this.folder !== null) void rm(join(this.folder, 'pictures', name), { force: true });
    }
  }
}

/** The text of a file, or null if it does not exist. */
async function readFileIfAny(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Replaces a file atomically. */
async function replaceFile(file: string, text: string): Promise<void> {
  const aside = `${file}.${randomUUID()}.new`;
  await writeFile(aside, text, { mode: 0o600 });
  await rename(aside, file);
}

/** The port and the key of a sandbox with a folder. They survive a crash, so that callers can continue. */
export interface SandboxEndpoint {
  readonly port: number;
  readonly apiKey: string;
}

const endpointSchema = z.object({ port: z.int().min(1).max(65_535), apiKey: z.string().min(1) });

/** Reads the endpoint of a folder; null if there is no folder or it has none yet. */
export async function readEndpoint(folder: string | undefined): Promise<SandboxEndpoint | null> {
  const text = folder === undefined ? null : await readFileIfAny(fileIn(folder));
  return text === null ? null : endpointSchema.parse(JSON.parse(text));
}

/** Writes the first endpoint of a folder; returns false if another process has written one. */
export async function claimEndpoint(folder: string, endpoint: SandboxEndpoint): Promise<boolean> {
  await createFolder(folder);
  const aside = join(folder, `${randomUUID()}.new`);
  await writeFile(aside, JSON.stringify(endpoint), { mode: 0o600 });
  try {
    await link(aside, fileIn(folder));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/** Replaces an endpoint whose port another program has taken. */
export async function moveEndpoint(folder: string, endpoint: SandboxEndpoint): Promise<void> {
  await replaceFile(fileIn(folder), JSON.stringify(endpoint));
}

const fileIn = (folder: string): string => join(folder, 'address.json');
