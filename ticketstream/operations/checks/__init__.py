"""What ``ticketstream doctor`` looks at: settings, services, logins, the data directory."""
