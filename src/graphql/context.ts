import DataLoader from 'dataloader';
import type { WithoutTurn } from '../core/owner-turns';
import type { Viewer } from '../core/viewer';

/** What the log line of a request says about its caller and its operations. */
export interface RequestNotes {
  /** The hash of the caller. */
  owner?: string;
  /** The names of the operations; of one without a name, its field. */
  operations?: readonly string[];
  /** The trace, if traces are enabled. */
  traceId?: string;
  /** The codes of errors. */
  codes?: readonly string[];
}

/** The context of one operation, or of one event of a subscription. */
export interface GraphQLContext {
  /** Replaced once by the admitted viewer, see `protectRootFields`. */
  viewer: Viewer;
  /** Why the database cannot be asked, if that is known already: root fields fail with it. */
  unavailable?: Error;
  /** Whether the request has waited for a change: it is not refused for what its owner does at the same time. */
  hasWaited?: boolean;
  /** Why the wait before the operation failed: the field that asked for it fails with this error. */
  waitFailure?: Error;
  /** Whether a field has a cursor in `after` that cannot be read: that field fails, in its resolver. */
  hasUnreadableCursor?: boolean;
  /** The use of a client token that was counted before a wait. The copies of the context in a batch share it. */
  waitUse?: CountedUse;
  /** The value of `Viewer.activityCursor`, read before all root fields if it is selected. */
  activityCursor?: string;
  /** Reads the payload of a mutation, if that is planned. */
  payload?: PayloadReader;
  /** Lets other operations run during work without the database; absent for events and before the operation. */
  withoutTurn?: WithoutTurn;
  /** Correlates log entries with the message of internal errors. */
  readonly requestId: string;
  /** Absent for operations over WebSocket, whose lines are their own. */
  readonly notes?: RequestNotes;
  /** The id of the WebSocket. */
  readonly socketId?: string;
  readonly loaders: LoaderCache;
}

/** Reads the fields of a mutation's payload, instead of their resolvers. */
export interface PayloadReader {
  /**
   * Never rejects.
   * @param payload - what the mutation's resolver returned
   * @returns whether it was read; if not, the resolvers of its fields are called
   */
  read(payload: unknown): Promise<boolean>;
}

/** A use of a client token that was counted before the operation was executed. */
export class CountedUse {
  constructor(private use: Promise<void> | null) {}

  /** Returns the use to the first operation that asks for it, and null to others, which count their own. */
  take(): Promise<void> | null {
    const { use } = this;
    this.use = null;
    return use;
  }
}

/** Maximum number of keys per statement; more keys are split into several statements. */
const maxBatchSize = 500;

/**
 * The DataLoaders of one operation. Loaders cache what they read, so a cache must not outlive its operation;
 * subscriptions use a new one for every event.
 *
 * Fields must not be `#private`: Apollo copies the context, and the copy could not access them.
 */
export class LoaderCache {
  /** Null until the first load; each open subscription has a cache. */
  private loaders: Map<string, unknown> | null = null;

  /**
   * Returns the loader with this name, creating it on the first call.
   * @param name - identifies the batch function, such as `Model.generations`
   * @param batch - returns the values in the order of the keys, with an Error for a key that failed
   */
  get<Key, Value>(
    name: string,
    batch: (keys: readonly Key[]) => Promise<readonly (Value | Error)[]>,
  ): DataLoader<Key, Value> {
    const known = this.loaders?.get(name) as DataLoader<Key, Value> | undefined;
    if (known) return known;
    const loader = new DataLoader<Key, Value>(batch, { maxBatchSize, name });
    this.loaders ??= new Map();
    this.loaders.set(name, loader);
    return loader;
  }
}

/** Creates the context of an operation. */
export function createContext(
  viewer: Viewer,
  requestId: string,
  { notes, socketId }: Pick<GraphQLContext, 'notes' | 'socketId'> = {},
): GraphQLContext {
  return { viewer, requestId, notes, socketId, loaders: new LoaderCache() };
}

/** The same viewer and request with empty caches, for the next event of a subscription. */
export function renewContext({ viewer, requestId }: GraphQLContext): GraphQLContext {
  return createContext(viewer, requestId);
}
