import { BulkChanges, type BulkLimits, type BulkResult, type Selection } from '../core/bulk-changes';
import type { Viewer } from '../core/viewer';
import type { AvatarEntity } from './avatar.entity';
import type { AvatarFilter } from './avatar.repository';
import type { AvatarService } from './avatar.service';

/** Changes selected avatars. */
export class AvatarBulkService {
  private readonly bulk: BulkChanges<AvatarEntity, AvatarFilter, { id: string }>;

  constructor(
    private readonly avatars: AvatarService,
    limits: BulkLimits,
  ) {
    this.bulk = new BulkChanges(avatars.list, 'Avatar', ['id'], limits);
  }

  /**
   * Deletes the selected avatars. One that no longer matches when it is its turn, for example since it has become a
   * favorite, is left as it is.
   * @throws DomainError INVALID_INPUT, NOT_FOUND, with all problems of the selection
   */
  async delete(viewer: Viewer, selection: Selection<AvatarFilter>, isDryRun: boolean): Promise<BulkResult> {
    const scope = this.bulk.scopeOf(viewer.owner, selection);
    return this.bulk.run(
      scope,
      selection,
      {
        check: () => 'change',
        apply: ({ id }, guard) => this.avatars.delete(viewer, id, guard),
      },
      { isDryRun, reportsUnknown: false },
    );
  }
}
