'use client'

/** Deliveries in a React application: `import { DeliveryList, PostriderProvider } from 'postrider/react'`. */
export { PostriderProvider, type PostriderProviderProps, useProject } from './provider.tsx'
export {
  type Attempt,
  type Change,
  type Deliveries,
  type DeliveriesOptions,
  type Delivery,
  type DeliveryDetails as DeliveryWithPayload,
  type DeliveryFilter,
  useCancel,
  useDeliveries,
  useDelivery,
  useRetry,
  useWebhooks,
  type Webhook,
} from './hooks.ts'
export type { Asked } from './asked.ts'
export { DeliveryDetails } from './delivery-details.tsx'
export { DeliveryList, type DeliveryListProps } from './delivery-list.tsx'
export { DeliveryStatus } from './parts.tsx'
