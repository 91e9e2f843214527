import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { notFound } from '../core/errors';
import { partOf, type OpenObject, type RangeRequest } from '../storage/media-store';
import type { AvatarProvider, ProviderStyle } from '../upstream/provider';

/** The maximum size of an example picture, in bytes. All are kept in memory. */
const maxExampleBytes = 1_000_000;

/** An example picture as it is served. */
export interface StyleExample {
  /** Quoted, changes with the content. */
  readonly etag: string;
  open(range?: RangeRequest): Promise<OpenObject>;
}

/** The example pictures of the provider's styles: public, since they show no person. */
export class StyleExamples {
  private readonly examples = new Map<string, Promise<StyleExample>>();
  /** Settles when no picture is being drawn: one is drawn after the other. */
  private idle: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly provider: Pick<AvatarProvider, 'facts' | 'drawExample'>,
    private readonly publicUrl: () => string,
  ) {}

  /** The URL of a style's example picture; null if the provider has none. */
  urlOf({ id, exampleUrl }: ProviderStyle): string | null {
    if (exampleUrl !== undefined) return exampleUrl;
    return this.provider.drawExample
      ? `${this.publicUrl()}/media/styles/${encodeURIComponent(id)}.jpg`
      : null;
  }

  /**
   * The example picture of a style, drawn when it is requested first.
   * @param file - `<style id>.jpg`
   * @throws DomainError NOT_FOUND
   */
  async find(file: string): Promise<StyleExample> {
    const { drawExample, facts } = this.provider;
    const style = facts.styles.find(({ id, exampleUrl }) => exampleUrl === undefined && `${id}.jpg` === file);
    if (!drawExample || !style) throw notFound('style');
    const known = this.examples.get(style.id);
    if (known) return known;
    const example = this.idle.then(async () => toExample(await drawExample(style.id)));
    this.examples.set(style.id, example);
    this.idle = example.catch(() => this.examples.delete(style.id));
    return example;
  }
}

function toExample(picture: Buffer): StyleExample {
  if (picture.length > maxExampleBytes) throw new Error('The example picture of a style is too large.');
  const etag = `"${createHash('sha256').update(picture).digest('hex')}"`;
  const byteSize = picture.length;
  const open = (range?: RangeRequest): Promise<OpenObject> => {
    const part = partOf(byteSize, range);
    const stream = Readable.from(part ? [picture.subarray(part.start, part.end + 1)] : []);
    return Promise.resolve({ byteSize, part, stream });
  };
  return { etag, open };
}
