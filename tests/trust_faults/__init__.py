"""What the machine does to a user: full disks, read-only folders, kills, two at once, too little memory."""
