import type { Logger } from '../../core/logger';
import type { Viewer } from '../../core/viewer';
import type { PlannedReads } from '../../reads/planned-reads';
import type { OpenStreams } from './open-streams';
import type { OperationRecord } from './operation-records';
import type { OperationsInFlight } from './operations-in-flight';
import type { PreparationOptions } from './prepared-operation';
import type { RequestWaits } from './request-waits';

/** Options of `Operations`. */
export interface OperationsOptions extends PreparationOptions {
  readonly logger: Logger;
  /** The share of operations over WebSocket that have a log line, of those without error that are not slow. @defaultValue 1 */
  readonly answerSample?: number;
  /**
   * Time limit of an operation or of the response to one event.
   * @defaultValue 10_000 milliseconds
   */
  readonly deadlineMs?: number;
  /** @defaultValue none: the resolvers answer all queries */
  readonly reads?: Pick<PlannedReads, 'prepare' | 'preparePayload' | 'leaveFailedWait'>;
  /** @defaultValue none: operations do not wait */
  readonly waits?: RequestWaits;
  /**
   * Counts a use of a client token before a wait.
   * @defaultValue it is counted when the operation is executed
   */
  readonly countUse?: (viewer: Viewer) => Promise<void>;
  /** @defaultValue no limit */
  readonly inFlight?: OperationsInFlight;
  /** @defaultValue none: see {@link OperationRecords} */
  readonly onOperation?: (record: OperationRecord) => void;
  /** @defaultValue subscriptions are not counted */
  readonly streams?: OpenStreams;
}
