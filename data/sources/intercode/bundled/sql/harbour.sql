CREATE DATABASE IF NOT EXISTS `harbour`;
USE `harbour`;

DROP TABLE IF EXISTS `pier`;
CREATE TABLE `pier` (
  `Pier_ID` int NOT NULL AUTO_INCREMENT,
  `Name` text,
  `Depth` double DEFAULT NULL,
  PRIMARY KEY (`Pier_ID`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `pier` VALUES (1,'North',6.5),(2,'Fish market',4),(3,'Ferry',9.25);

DROP TABLE IF EXISTS `boat`;
CREATE TABLE `boat` (
  `Boat_ID` int NOT NULL AUTO_INCREMENT,
  `Name` text,
  `Home` varchar(40) DEFAULT NULL,
  `Length` int DEFAULT NULL,
  `Pier_ID` int DEFAULT NULL,
  PRIMARY KEY (`Boat_ID`),
  KEY `boat_pier` (`Pier_ID`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `boat` VALUES (1,'Gull','Oslo',12,2),(2,'Widow\'s Son','Cork',31,3),(3,'Anna','Oslo',9,2),(4,'Tern','Bergen',22,1),(5,'Blue; or Grey','Cork',17,NULL);
