"""Instance refresh: replaces a group's instances in the order, at the pace and under the guards that AWS documents.

Source: Amazon EC2 Auto Scaling user guide, "Use an instance refresh to update instances in an Auto Scaling group". Not done
here: the strategy ReplaceRootVolume, an instance maintenance policy of the group, and events.
"""
