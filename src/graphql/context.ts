import DataLoader from 'dataloader';
import type { Viewer } from '../core/viewer';

/** What every resolver is given besides its arguments. Made anew for each operation and each subscription event. */
export interface GraphQLContext {
  /** Replaced once, by the viewer as it was admitted. */
  viewer: Viewer;
  /** Stands in the logs and in the message of an error of ours, so that one leads to the other. */
  readonly requestId: string;
  readonly loaders: LoaderCache;
}

/** The most keys that one statement is asked for; more are asked for in several. */
const maxBatchSize = 500;

/**
 * The DataLoaders of one operation: what it reads, it reads once. A loader remembers, so a cache that outlived its
 * operation would answer with the past; subscriptions get a new one for every event.
 *
 * Its fields are ordinary properties: Apollo copies the context, and a copy has no access to `#private` ones.
 */
export class LoaderCache {
  private readonly loaders = new Map<string, unknown>();

  /**
   * The operation's loader of this name, made at the first call.
   * @param name - one name, one batch function: `Model.generations`
   * @param batch - gives the values in the order of the keys, an Error in the place of one that failed
   */
  get<Key, Value>(
    name: string,
    batch: (keys: readonly Key[]) => Promise<readonly (Value | Error)[]>,
  ): DataLoader<Key, Value> {
    const known = this.loaders.get(name) as DataLoader<Key, Value> | undefined;
    if (known) return known;
    const loader = new DataLoader<Key, Value>(batch, { maxBatchSize, name });
    this.loaders.set(name, loader);
    return loader;
  }
}
