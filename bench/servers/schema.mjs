// The part of the product's schema that the other GraphQL servers serve.
import { cursorOf } from './data.mjs';

export const typeDefs = `
  enum ModelStatus { QUEUED SUBMITTING UNCERTAIN TRAINING READY FAILED CANCELLED }
  enum GenerationStatus { QUEUED SUBMITTING UNCERTAIN GENERATING STORING COMPLETED PARTIAL FAILED CANCELLED }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type Avatar { id: ID! placeholder: String! url: String! }
  type Generation { id: ID! status: GenerationStatus! avatars: [Avatar!]! }
  type GenerationEdge { node: Generation! }
  type GenerationConnection { edges: [GenerationEdge!]! }
  type AvatarModel {
    id: ID! name: String! status: ModelStatus! progress: Int! generations(first: Int! = 20): GenerationConnection!
  }
  type AvatarModelEdge { node: AvatarModel! }
  type AvatarModelConnection { edges: [AvatarModelEdge!]! pageInfo: PageInfo! }
  type Query { models(first: Int! = 20): AvatarModelConnection! model(id: ID!): AvatarModel }
`;

export const subscriptionTypeDefs = `
  type TrainingProgress { isSnapshot: Boolean! status: String! progress: Int! estimatedReadyAt: String }
  type Query { unused: Boolean }
  type Subscription { trainingProgress(modelId: ID!): TrainingProgress! }
`;

/** A page of a list that was read with one additional row. */
export function toConnection(rows, first) {
  const nodes = rows.slice(0, first);
  const last = nodes.at(-1);
  return {
    edges: nodes.map((node) => ({ node })),
    pageInfo: { hasNextPage: rows.length > first, endCursor: last ? cursorOf(last.id) : null },
  };
}

/** Rows by the value of a column. @returns a list for each key, in the order of the keys */
export function groupBy(keys, rows, column) {
  const groups = new Map(keys.map((key) => [key, []]));
  for (const row of rows) groups.get(row[column]).push(row);
  return [...groups.values()];
}
