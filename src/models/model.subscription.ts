import { notFound, type DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { EventFeed } from '../events/feed';
import { follow, withPresent, type Change, type CurrentState, type PresentChange } from '../events/follow';
import { PresentRows } from '../events/present-rows';
import { findOwnedJobs } from '../jobs/job-row.repository';
import { modelKind, modelPayload, type ModelEventPayload, type PresentModel } from './model.kind';
import { findModelInStream } from './model.repository';
import { unfinishedModelStates } from './model.state';

const isEnd = (status: string): boolean => !(unfinishedModelStates as readonly string[]).includes(status);

/** A change of a model, with the model as it is when the change is sent. */
export type ModelChange = PresentChange<ModelEventPayload, PresentModel>;

/** The streams of `trainingProgress`. */
export class ModelSubscriptions {
  private readonly models: PresentRows<PresentModel>;

  constructor(
    private readonly sql: Sql,
    private readonly feed: EventFeed,
  ) {
    this.models = new PresentRows((keys) => findOwnedJobs(sql, modelKind, keys));
  }

  /**
   * Sends the model's current state, then every change until the training has ended.
   * @param after - the last cursor received; the stream then resumes after it, without the current state
   * @throws DomainError NOT_FOUND, also when the model is deleted during the stream; INVALID_CURSOR
   */
  async training(
    { owner }: Viewer,
    id: string,
    after: string | null,
  ): Promise<AsyncIterableIterator<ModelChange>> {
    const following = await follow<Change<ModelEventPayload, PresentModel>>(this.feed, {
      streamId: id,
      after,
      present: () => this.present(owner, id),
      read: (event) => {
        if (event.kind === 'DELETED' && event.subjectId === id) throw deleted();
        return event.kind === 'MODEL' ? { past: modelPayload.read(event.payload), row: null } : null;
      },
      isLast: ({ past }) => isEnd(past.status),
    });
    return withPresent(following, async () => {
      const model = await this.models.find({ owner, id });
      if (!model) throw deleted();
      return model;
    });
  }

  private async present(
    owner: string,
    id: string,
  ): Promise<CurrentState<Change<ModelEventPayload, PresentModel>>> {
    const model = await findModelInStream(this.sql, owner, id);
    if (!model) throw deleted();
    const { sequence, oldest } = model;
    return { sequence, oldest, items: [{ past: model, row: model }], ended: isEnd(model.status) };
  }
}

const deleted = (): DomainError => notFound('model', 'modelId');
