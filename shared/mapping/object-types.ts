/** HubSpot's own object types and associations, by the names that its paths use. */

/** Type ids, which webhooks name objects by. */
export const objectTypeIds: Readonly<Record<string, string>> = {
  contacts: '0-1',
  companies: '0-2',
  deals: '0-3',
  tickets: '0-5',
  products: '0-7',
  line_items: '0-8',
  quotes: '0-14',
  invoices: '0-53',
  orders: '0-123',
  leads: '0-136',
};

/** The association type that HubSpot calls primary, by `from/to`. */
export const primaryTypes: Readonly<Record<string, number>> = {
  'contacts/companies': 1,
  'deals/companies': 5,
  'tickets/companies': 26,
};
