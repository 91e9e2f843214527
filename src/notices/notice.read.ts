import { columns, type NodeSource } from '../reads/source';
import { selectNotice } from './notice.repository';

/** What notices are read from. Their subjects are left to the resolver. */
export const noticeSource: NodeSource = {
  type: 'Notice',
  select: selectNotice,
  fields: { id: { kind: 'id' }, ...columns('kind', 'message', 'createdAt') },
};
