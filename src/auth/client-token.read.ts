import { columns, computed, type NodeSource } from '../reads/source';
import type { ClientTokenEntity } from './client-token.entity';
import { selectClientToken } from './client-token.repository';

/** What client tokens are read from. */
export const clientTokenSource: NodeSource = {
  type: 'ClientToken',
  select: selectClientToken,
  fields: {
    id: { kind: 'id' },
    ...columns('createdAt', 'expiresAt', 'usesLeft', 'uploadsLeft'),
    scopes: computed<ClientTokenEntity, 'scopes'>(['scopes'], ({ scopes }) => scopes),
  },
};
