import { notFound } from '../core/errors';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { EventFeed } from '../events/feed';
import { follow, type Following, type CurrentState } from '../events/follow';
import { modelPayload, type ModelEventPayload } from './model.job';
import { findModelInStream } from './model.repository';
import { unfinishedModelStates } from './model.state';

const isEnd = (status: string): boolean => !(unfinishedModelStates as readonly string[]).includes(status);

/** The streams of `trainingProgress`. */
export class ModelSubscriptions {
  constructor(
    private readonly sql: Sql,
    private readonly feed: EventFeed,
  ) {}

  /**
   * Sends the model's current state, then every change until the training has ended.
   * @param after - the last cursor received; the stream then resumes after it, without the current state
   * @throws DomainError NOT_FOUND, also when the model is deleted during the stream; INVALID_CURSOR
   */
  async training(viewer: Viewer, id: string, after: string | null): Promise<Following<ModelEventPayload>> {
    return follow<ModelEventPayload>(this.feed, {
      streamId: id,
      after,
      present: () => this.present(viewer, id),
      read: (event) => {
        if (event.kind === 'DELETED' && event.subjectId === id) throw notFound('model', 'modelId');
        return event.kind === 'MODEL' ? modelPayload.read(event.payload) : null;
      },
      isLast: (model) => isEnd(model.status),
    });
  }

  private async present(viewer: Viewer, id: string): Promise<CurrentState<ModelEventPayload>> {
    const model = await findModelInStream(this.sql, viewer.owner, id);
    if (!model) throw notFound('model', 'modelId');
    const { sequence, oldest } = model;
    return { sequence, oldest, items: [model], ended: isEnd(model.status) };
  }
}
