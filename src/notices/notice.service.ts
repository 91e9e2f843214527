import { OwnedList } from '../core/owned-list';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { OwnedKey } from '../events/present-rows';
import type { NoticeEntity } from './notice.entity';
import { findNotices, findOwnedNotices, noticeTable } from './notice.repository';

/** The notices of owners. */
export class NoticeService {
  /** Lists of notices. */
  readonly list: OwnedList<NoticeEntity, object>;

  constructor(private readonly sql: Sql) {
    this.list = new OwnedList(sql, noticeTable);
  }

  /** The viewer's notices with the given ids, in any order. */
  findMany(viewer: Viewer, ids: readonly string[]): Promise<NoticeEntity[]> {
    return findNotices(this.sql, viewer.owner, ids);
  }

  /** Those of the notices that their owners have, in any order; one statement. */
  findOwned(keys: readonly OwnedKey[]): Promise<NoticeEntity[]> {
    return findOwnedNotices(this.sql, keys);
  }
}
