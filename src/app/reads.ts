import type { GraphQLSchema } from 'graphql';
import { viewerSource } from '../accounts/viewer.read';
import { isBeingErased } from '../accounts/write-admission.repository';
import { clientTokenSource } from '../auth/client-token.read';
import { nodeKinds, type NodeKind } from '../core/ids';
import { loggableError } from '../core/logger';
import type { PreparedStatements } from '../core/sql';
import { avatarSource, avatarsSource, modelFields } from '../generations/avatar.read';
import { generationKind, jobKinds } from '../generations/generation.kind';
import { generationSource, generationsSource } from '../generations/generation.read';
import { maxNodes } from '../generations/node.resolver';
import { unfinishedOf } from '../jobs/job-row.repository';
import { ledgerEntrySource, ledgerSource } from '../jobs/ledger-entry.read';
import { timelineEntrySource, timelineSource } from '../jobs/timeline.read';
import { modelKind } from '../models/model.kind';
import { modelSource, modelsSource } from '../models/model.read';
import { noticeSource } from '../notices/notice.read';
import { photoSource, photosSource } from '../photos/photo.read';
import { PlannedReads } from '../reads/planned-reads';
import type { ReadSources } from '../reads/source';
import { webhookDeliverySource, webhookSource } from '../webhooks/webhook.read';
import type { Metrics } from './metrics/metrics';
import type { Infrastructure, Services } from './services';

/** What the planned reads are made from besides the services. */
type ReadDeps = Pick<Infrastructure, 'logger' | 'provider' | 'quotas'> & {
  readonly metrics: Metrics;
};

/** Creates the planned reads of the schema. */
export function createPlannedReads(
  schema: GraphQLSchema,
  sql: PreparedStatements,
  services: Services,
  deps: ReadDeps,
): PlannedReads {
  const { logger, metrics } = deps;
  return new PlannedReads({
    schema,
    sql,
    sources: sourcesOf(services, deps),
    isBeingErased,
    onRead: (outcome) => metrics.read(outcome),
    onError: (error) => logger.error({ error: loggableError(error) }, 'planned read failed'),
  });
}

function sourcesOf(
  { avatarUrls, photos }: Pick<Services, 'avatarUrls' | 'photos'>,
  { provider, quotas }: Pick<ReadDeps, 'provider' | 'quotas'>,
): ReadSources {
  const models = modelSource(provider);
  const generations = generationSource(provider);
  return {
    nodes: [
      photoSource(photos),
      {
        ...models,
        fields: { ...models.fields, ...modelFields, timeline: timelineSource(jobKinds, modelKind) },
      },
      {
        ...generations,
        fields: { ...generations.fields, timeline: timelineSource(jobKinds, generationKind) },
      },
      avatarSource(avatarUrls),
      noticeSource,
      clientTokenSource,
      ledgerEntrySource,
      webhookSource,
      webhookDeliverySource,
    ],
    types: [timelineEntrySource],
    roots: {
      models: modelsSource,
      generations: generationsSource,
      avatars: avatarsSource,
      photos: photosSource,
      ledger: ledgerSource,
      model: { kind: 'lookup', types: ['AvatarModel'] },
      generation: { kind: 'lookup', types: ['Generation'] },
      avatar: { kind: 'lookup', types: ['Avatar'] },
      photo: { kind: 'lookup', types: ['Photo'] },
      node: { kind: 'lookup', types: Object.keys(nodeKinds) as NodeKind[] },
      nodes: { kind: 'lookups', types: Object.keys(nodeKinds) as NodeKind[], maxIds: maxNodes },
      viewer: viewerSource(quotas, (owner) => unfinishedOf(jobKinds, owner, 'NULL')),
    },
  };
}
