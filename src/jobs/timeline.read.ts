import type { Scope } from '../core/viewer';
import type { PageArgs } from '../graphql/connection';
import { columns, computed, computedWith, type ConnectionSource, type TypeSource } from '../reads/source';
import type { JobKind } from './job.kind';
import {
  callOf,
  messageOf,
  type CallColumns,
  type MessageColumns,
  type TimelineEntryRow,
} from './timeline-text';
import { timelineTable } from './timeline.repository';

/** What entries of timelines are read from. */
export const timelineEntrySource: TypeSource = {
  type: 'TimelineEntry',
  fields: {
    ...columns('occurredAt', 'kind', 'attempt'),
    message: computed<TimelineEntryRow, MessageColumns>(
      ['kind', 'status', 'failureCode', 'outcome', 'polls', 'submission', 'until'],
      messageOf,
    ),
    call: computedWith<{ scopes: Scope[] }, TimelineEntryRow, CallColumns>(
      { scopes: (sql) => sql.scopes() },
      ['kind', 'submission', 'httpStatus', 'durationMs', 'correlationId'],
      (row) => callOf(row, row.scopes),
    ),
  },
};

/**
 * `timeline` of the jobs of a kind.
 * @param kinds - all kinds
 */
export function timelineSource(kinds: readonly JobKind[], { noun }: Pick<JobKind, 'noun'>): ConnectionSource {
  return {
    kind: 'connection',
    type: timelineEntrySource.type,
    table: timelineTable(kinds),
    parentColumn: `${noun}_id`,
    queryOf: (page: PageArgs) => ({ page, orderBy: 'OLDEST', conditions: [] }),
  };
}
