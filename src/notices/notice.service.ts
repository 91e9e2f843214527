import { OwnedList } from '../core/owned-list';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { NoticeEntity } from './notice.entity';
import { findNotices, noticeTable } from './notice.repository';

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
}
