import type { Registry } from 'prom-client';
import type { WaitOutcome } from '../../core/transfer-slots';
import type { OperationRecord } from '../../http/graphql/operation-records';
import type { AnsweredRequest } from '../../http/server';
import type { ReadOutcome } from '../../reads/planned-reads';
import { counterOf, durationsOf } from './instruments';

/** Counts requests and operations. */
export interface RequestMetrics {
  /** An HTTP request was answered. */
  answered: (request: AnsweredRequest) => void;
  /** An operation has ended or was refused, or a subscription was opened. */
  operation: (record: OperationRecord) => void;
  /** A query was answered by a planned read, or left to the resolvers for a reason. */
  read: (outcome: ReadOutcome) => void;
  /** An operation used a deprecated element of the schema, such as `Operator.lagMs`. */
  deprecatedUse: (element: string) => void;
  /** A request of an origin that is not allowed was refused. */
  refusedOrigin: () => void;
  /** An upload no longer waits for a slot. */
  uploadWait: (outcome: WaitOutcome) => void;
}

/** The methods that routes have, and those of probes and browsers. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);

/** Names of listed operations beyond this number count as `other`. */
const maxNames = 500;

/** Creates the counters. */
export function createRequestMetrics(registry: Registry): RequestMetrics {
  const reads = counterOf(
    registry,
    {
      name: 'likeness_reads_total',
      help: 'Queries, and mutations whose payload reads rows, by how they were answered: planned, or why they were left to the resolvers.',
    },
    ['outcome'],
  );
  const deprecatedUses = counterOf(
    registry,
    {
      name: 'likeness_deprecated_uses_total',
      help: 'Operations that use a deprecated element of the schema.',
    },
    ['element'],
  );
  const refusedOrigins = counterOf(registry, {
    name: 'likeness_refused_origins_total',
    help: 'Requests that were refused because of their origin.',
  });
  const uploadWaits = counterOf(
    registry,
    {
      name: 'likeness_upload_waits_total',
      help: 'Uploads that waited for a slot, by how their wait ended: started or refused.',
      begin: [{ outcome: 'started' }, { outcome: 'refused' }],
    },
    ['outcome'],
  );
  return {
    answered: countAnswers(registry),
    operation: countOperations(registry),
    read: (outcome) => reads({ outcome }),
    deprecatedUse: (element) => deprecatedUses({ element }),
    refusedOrigin: () => refusedOrigins(),
    uploadWait: (outcome) => uploadWaits({ outcome }),
  };
}

function countAnswers(registry: Registry): RequestMetrics['answered'] {
  const requests = counterOf(
    registry,
    {
      name: 'likeness_http_requests_total',
      help: 'HTTP requests by method, pattern of the path (none: unknown) and status.',
    },
    ['method', 'route', 'status'],
  );
  const durations = durationsOf(
    registry,
    {
      name: 'likeness_http_request_duration_seconds',
      help: 'How long HTTP requests took, by pattern of the path; of a stream, how long it was open.',
    },
    ['route'],
  );
  return ({ method, route, status, ms }) => {
    const path = route ?? 'none';
    requests({ method: methods.has(method) ? method : 'other', route: path, status: String(status) });
    durations({ route: path }, ms / 1_000);
  };
}

function countOperations(registry: Registry): RequestMetrics['operation'] {
  const operations = counterOf(
    registry,
    {
      name: 'likeness_operations_total',
      help: 'GraphQL operations by name (other, unless the query is in the list of PERSISTED_QUERIES), type, root field (several, if there are more), and the code of their first error (OK without one).',
    },
    ['operation', 'type', 'field', 'code'],
  );
  const durations = durationsOf(
    registry,
    {
      name: 'likeness_operation_duration_seconds',
      help: 'How long GraphQL operations were executed, by type and root field; of a subscription, until it was open. The wait for waitMs is not included.',
    },
    ['type', 'field'],
  );
  const names = new Set<string>();
  const nameOf = (name: string): string => {
    if (names.size < maxNames) names.add(name);
    return names.has(name) ? name : 'other';
  };
  return ({ listedName, type, field, code, seconds }) => {
    operations({ operation: nameOf(listedName), type, field, code });
    if (seconds !== null) durations({ type, field }, seconds);
  };
}
